import { monotonicSeconds } from "../../host/clock.ts";
import { freeBytes } from "../../host/machine.ts";
import { roomText } from "../system-error.ts";

/** Notices why nothing is heard of a stage: the disk is full on which it is written what becomes of it. */

export interface RoomWatch {
  readonly hear: () => void;
  /** To be called often; asks the system a few times a minute, and only while nothing is heard. */
  readonly look: () => void;
}

const SILENT_SECONDS = 5;
/** Bytes: less than a block takes no line of any file. */
const A_BLOCK = 4096;

/** `folder`: of the run, absolute. `say` is called once for each time that the stage falls silent. */
export function watchRoom(folder: string, say: (room: string) => void): RoomWatch {
  let lookAt = monotonicSeconds() + SILENT_SECONDS;
  let isSaid = false;
  const find = async () => {
    const free = await freeBytes(folder);
    if (free === undefined || free >= A_BLOCK || isSaid) return;
    isSaid = true;
    say(await roomText(folder));
  };
  return {
    hear: () => {
      lookAt = monotonicSeconds() + SILENT_SECONDS;
      isSaid = false;
    },
    look: () => {
      const now = monotonicSeconds();
      if (isSaid || now < lookAt) return;
      lookAt = now + SILENT_SECONDS;
      void find();
    },
  };
}
