import * as z from "zod";
import { OPENING_HOURS, parseOpeningHours } from "../opening-hours.ts";
import { field } from "./field.ts";
import type { WatchRules } from "./spec.ts";

/** The shape of `watch` in wan22.yaml: when `wan22 watch --apply` may begin what a commit asks for. */

/** A name of the time zone database. */
const TIME_ZONE = /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+){0,2}$/;

const hours = {
  wants: "text",
  expected: "hours such as 22:00-08:00 or Mon-Fri 22:00-08:00",
  example: '"22:00-08:00"',
} as const;

export const watchShape = field(
  z
    .strictObject({
      allow: field(
        z.union([z.string().regex(OPENING_HOURS), z.array(field(z.string().regex(OPENING_HOURS), hours)).min(1)]),
        {
          ...hours,
          expected: `${hours.expected}, or a list of them`,
          doc: "When something may begin, by the hours of the day and, before them, the days on which they begin: `22:00-08:00`, `Mon-Fri 22:00-08:00`, `Sat,Sun 00:00-24:00`. What trains when they are over goes on. Left out: at any time.",
        },
      ).optional(),
      timezone: field(z.string().regex(TIME_ZONE), {
        wants: "text",
        expected: "the name of a time zone",
        example: "Europe/Berlin",
        doc: "Whose clock counts for `allow`. Left out: that of the machine.",
      }).optional(),
    })
    .nullable(),
  { wants: "map", expected: "a map of allow and timezone", doc: "Rules for `wan22 watch --apply`." },
).optional();

/** What the file says; nothing where it says nothing. */
export function watchRulesOf(written: z.infer<typeof watchShape>): WatchRules {
  const { allow = [], timezone } = written ?? {};
  return {
    allow: (typeof allow === "string" ? [allow] : allow).flatMap((text) => parseOpeningHours(text) ?? []),
    ...(timezone === undefined ? {} : { timezone }),
  };
}
