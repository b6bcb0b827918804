/** How many frames of a clip the trainer uses (`load_video` in its `dataset/media_utils.py`; trainer facts §4). */

/** Wan's own rate; the trainer thins out or skips ahead to it when a source's rate is given. */
export const TARGET_FPS = 16;

export interface FrameReading {
  /** Frames that decoding the whole file yields, or images in a folder of images. */
  readonly decodedFrames: number;
  /** The dataset's `source_fps`; without it every frame counts as one of 16 a second. */
  readonly sourceFps?: number | undefined;
  /** Reading ends here: the largest target frame count under `head`, nothing otherwise. */
  readonly limit?: number | undefined;
}

/**
 * Frames that are left of a clip before it is cut into crops. The running sum is added up, not multiplied: its rounding
 * errors are the trainer's own, and decide about single frames of long clips.
 */
export function framesUsed({ decodedFrames, sourceFps, limit }: FrameReading): number {
  if (sourceFps === undefined) return limit === undefined ? decodedFrames : Math.min(decodedFrames, limit);
  const step = TARGET_FPS / sourceFps;
  let position = 0;
  let previous = -1;
  let used = 0;
  for (let frame = 0; frame < decodedFrames; frame++) {
    const index = Math.trunc(position);
    position += step;
    if (index === previous) continue;
    previous = index;
    if (limit !== undefined && index >= limit) break;
    used++;
  }
  return used;
}

/** Whether more than the first `decodedFrames` are asked for: the frame that shows the limit is reached is one of them. */
export function readsBeyond({ decodedFrames, sourceFps, limit }: FrameReading): boolean {
  if (limit === undefined) return true;
  if (sourceFps === undefined) return decodedFrames <= limit;
  const step = TARGET_FPS / sourceFps;
  let position = 0;
  for (let frame = 0; frame < decodedFrames; frame++) {
    if (Math.trunc(position) >= limit) return false;
    position += step;
  }
  return true;
}

/** The largest N*4+1 that is not above `frames`: what the video VAE can take (`VideoDataset.__init__`). */
export function roundFrames(frames: number): number {
  return Math.floor((frames - 1) / 4) * 4 + 1;
}

/** Target frame counts as the trainer takes them: each rounded down to N*4+1, without doubles, ascending. */
export function roundTargetFrames(targets: readonly number[]): readonly number[] {
  return [...new Set(targets.map(roundFrames))].sort((a, b) => a - b);
}

/** Latent frames of a crop: the VAE keeps the first frame and takes four together of the rest. */
export function latentFrames(frames: number): number {
  return Math.floor((frames - 1) / 4) + 1;
}
