import { parseCardName } from "../../resolve/cards.ts";
import type { Tier } from "../../vocabulary.ts";

/** How fast cards compute: peak dense bf16 (fp16 before Ampere) with float32 sums, in TFLOP/s, from NVIDIA's data sheets. */

const PEAK_TFLOPS: Readonly<Record<string, number>> = {
  A100: 312,
  A800: 312,
  H100: 989,
  H800: 989,
  H20: 148,
  H200: 989,
  GH200: 989,
  B200: 2250,
  B300: 2250,
  "RTX PRO 6000": 503,
  "RTX PRO 5000": 264,
  "RTX PRO 4500": 209,
  "RTX PRO 4000": 149,
  "RTX 5090": 209,
  "RTX 5080": 113,
  "RTX 5070 Ti": 88,
  "RTX 5070": 62,
  "RTX 5060 Ti": 47,
  "RTX 5060": 38,
  "RTX 4090": 165,
  "RTX 4080 SUPER": 104,
  "RTX 4080": 97,
  "RTX 4070 Ti SUPER": 88,
  "RTX 4070 Ti": 80,
  "RTX 4070 SUPER": 71,
  "RTX 4070": 58,
  "RTX 4060 Ti": 44,
  "RTX 4060": 30,
  "RTX 6000 Ada": 364,
  "RTX 5000 Ada": 261,
  "RTX 4500 Ada": 158,
  "RTX 4000 Ada": 107,
  L40S: 362,
  L40: 181,
  L4: 121,
  "RTX 3090 Ti": 80,
  "RTX 3090": 71,
  "RTX 3080 Ti": 68,
  "RTX 3080": 60,
  "RTX 3070 Ti": 44,
  "RTX 3070": 41,
  "RTX 3060 Ti": 32,
  "RTX 3060": 26,
  A6000: 155,
  "RTX A5500": 136,
  "RTX A5000": 111,
  "RTX A4500": 95,
  "RTX A4000": 77,
  A40: 150,
  A30: 165,
  A10G: 70,
  A10: 125,
  "RTX 8000": 130,
  "RTX 6000": 130,
  "TITAN RTX": 65,
  "RTX 2080 Ti": 54,
  "RTX 2080": 40,
  "RTX 2070": 30,
  T4: 65,
  V100: 125,
  P100: 19,
};

const BY_KEY: ReadonlyMap<string, number> = new Map(
  Object.entries(PEAK_TFLOPS).map(([name, peak]) => [parseCardName(name).key, peak]),
);

/** Where only the tier is known: the slowest and the fastest card that the manual names for it. */
const TIER_TFLOPS: Readonly<Record<Tier, readonly [number, number]>> = {
  professional: [312, 989],
  "high-end": [155, 165],
  mid: [71, 97],
  entry: [44, 80],
};

/** Peak TFLOP/s of a card, or the range of its tier for a card that is not named or not known. */
export function peakTflops(cardName: string | undefined, tier: Tier): readonly [number, number] {
  const known = cardName === undefined ? undefined : BY_KEY.get(parseCardName(cardName).key);
  return known === undefined ? TIER_TFLOPS[tier] : [known, known];
}
