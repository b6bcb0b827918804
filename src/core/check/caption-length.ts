/** How long a caption is for the text encoder. Estimates: the tokenizer's vocabulary of 256,000 pieces is not at hand. */

/** What UMT5 takes of a caption; the trainer cuts off the rest. */
export const CAPTION_TOKENS = 512;

/** Scripts written without spaces. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/gu;
const WORD = /[\p{L}\p{N}]+/gu;

/** Pieces a word of a spaced script and a character of an unspaced one: rough, and on the high side for neither. */
const TOKENS_PER_WORD = 1.35;
const TOKENS_PER_CHARACTER = 0.7;

export interface CaptionLength {
  /** Words; of scripts without spaces two characters count as one. */
  readonly words: number;
  /** Estimated. */
  readonly tokens: number;
}

export function measureCaption(caption: string): CaptionLength {
  const unspaced = caption.match(UNSPACED)?.length ?? 0;
  const words = caption.replace(UNSPACED, " ").match(WORD)?.length ?? 0;
  return {
    words: words + unspaced / 2,
    tokens: Math.round(words * TOKENS_PER_WORD + unspaced * TOKENS_PER_CHARACTER),
  };
}
