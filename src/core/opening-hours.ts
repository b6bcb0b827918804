/** When something may begin: hours of the day, on some days of the week, by a clock on the wall. */

/** From one minute of a day to another; past midnight where the end is not after the beginning. */
export interface OpeningHours {
  /** Days on which they begin, 0 is Monday. */
  readonly days: readonly number[];
  /** Minutes from midnight. */
  readonly from: number;
  readonly to: number;
}

/** What a clock on the wall shows. */
export interface WallClock {
  /** 0 is Monday. */
  readonly day: number;
  /** Minutes from midnight. */
  readonly minute: number;
}

const DAYS: readonly string[] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY_MINUTES = 24 * 60;

const DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
const TIME = "(?:[01]\\d|2[0-3]):[0-5]\\d";
/** `22:00-08:00`, `Mon-Fri 22:00-08:00`, `Sat,Sun 00:00-24:00`. */
export const OPENING_HOURS = new RegExp(
  `^(?:(${DAY}(?:-${DAY})?(?:,${DAY}(?:-${DAY})?)*) )?(${TIME})-(${TIME}|24:00)$`,
);

/** Undefined for what is written otherwise. */
export function parseOpeningHours(text: string): OpeningHours | undefined {
  const [, days, from, to] = OPENING_HOURS.exec(text) ?? [];
  if (from === undefined || to === undefined) return undefined;
  return {
    days: days === undefined ? DAYS.map((_, day) => day) : daysIn(days),
    from: minuteOf(from),
    to: minuteOf(to),
  };
}

function daysIn(text: string): readonly number[] {
  const found = text.split(",").flatMap((part) => {
    const [first = 0, last = first] = part.split("-").map((name) => DAYS.indexOf(name));
    const length = ((last - first + DAYS.length) % DAYS.length) + 1;
    return Array.from({ length }, (_, index) => (first + index) % DAYS.length);
  });
  return [...new Set(found)].sort((a, b) => a - b);
}

function minuteOf(text: string): number {
  const [hours = 0, minutes = 0] = text.split(":").map(Number);
  return hours * 60 + minutes;
}

/** Whether something may begin. What is open past midnight belongs to the day on which it opened. */
export function isOpen(hours: readonly OpeningHours[], clock: WallClock): boolean {
  return hours.some((one) => {
    const since = minutesSince(one, clock);
    return since !== undefined && since < lengthOf(one);
  });
}

/** `Mon 22:00`: when the next one opens after what the clock shows, told by the clock itself; `undefined` where none does. */
export function nextOpening(hours: readonly OpeningHours[], clock: WallClock): string | undefined {
  const week = DAYS.length * DAY_MINUTES;
  const now = clock.day * DAY_MINUTES + clock.minute;
  const openings = hours.flatMap(({ days, from }) => days.map((day) => day * DAY_MINUTES + from));
  const [next] = openings.map((at) => (at - now + week) % week || week).sort((a, b) => a - b);
  if (next === undefined) return undefined;
  const at = (now + next) % week;
  const two = (number: number) => String(number).padStart(2, "0");
  const minute = at % DAY_MINUTES;
  return `${DAYS[Math.floor(at / DAY_MINUTES)]} ${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}

/** Minutes since it opened last; undefined where that was neither today nor yesterday. */
function minutesSince({ days, from }: OpeningHours, { day, minute }: WallClock): number | undefined {
  if (days.includes(day) && minute >= from) return minute - from;
  const yesterday = (day + DAYS.length - 1) % DAYS.length;
  return days.includes(yesterday) ? minute + DAY_MINUTES - from : undefined;
}

/** Of the same beginning and end it is a whole day. */
function lengthOf({ from, to }: OpeningHours): number {
  return to > from ? to - from : to - from + DAY_MINUTES;
}
