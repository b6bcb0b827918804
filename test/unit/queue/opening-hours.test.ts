import { describe, expect, it } from "vitest";
import { isOpen, nextOpening, type OpeningHours, parseOpeningHours } from "../../../src/core/opening-hours.ts";
import { wallClock } from "../../../src/host/clock.ts";

/** When a watch may begin something: `watch.allow` in wan22.yaml. */

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

function hours(...texts: readonly string[]): readonly OpeningHours[] {
  return texts.map((text) => {
    const parsed = parseOpeningHours(text);
    if (parsed === undefined) throw new Error(`${text} is none`);
    return parsed;
  });
}

/** `Tue 07:59` */
function at(text: string) {
  const [day = "", time = ""] = text.split(" ");
  const [hour = 0, minute = 0] = time.split(":").map(Number);
  return { day: DAYS.indexOf(day), minute: hour * 60 + minute };
}

const open = (texts: readonly string[], when: string) => isOpen(hours(...texts), at(when));

describe("hours", () => {
  it("are open from their first minute to the one before the last, over midnight too", () => {
    const night = ["22:00-08:00"];
    expect(["Mon 21:59", "Mon 22:00", "Tue 00:00", "Tue 07:59", "Tue 08:00"].map((when) => open(night, when))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
    expect(["Sun 23:00", "Mon 03:00"].map((when) => open(night, when))).toEqual([true, true]);
  });

  it("on some days belong to the day on which they begin", () => {
    const week = ["Mon-Fri 22:00-08:00"];
    expect(open(week, "Mon 07:00")).toBe(false);
    expect(open(week, "Mon 23:00")).toBe(true);
    expect(open(week, "Sat 07:00")).toBe(true);
    expect(open(week, "Sat 23:00")).toBe(false);
    expect(
      ["Fri 23:00", "Sat 12:00", "Sun 12:00", "Mon 01:00"].map((when) => open(["Fri-Sun 23:00-02:00"], when)),
    ).toEqual([true, false, false, true]);
    expect(open(["Sat-Mon 10:00-11:00"], "Sun 10:30")).toBe(true);
    expect(open(["Sat,Sun 00:00-24:00", "20:00-24:00"], "Sun 00:00")).toBe(true);
    expect(open(["Sat,Sun 00:00-24:00", "20:00-24:00"], "Fri 19:59")).toBe(false);
  });

  it("of one beginning and end are the whole day", () => {
    expect(["Mon 08:00", "Tue 07:59"].map((when) => open(["Mon 08:00-08:00"], when))).toEqual([true, true]);
    expect(open(["Mon 08:00-08:00"], "Tue 08:00")).toBe(false);
  });

  it("are nothing else", () => {
    const wrong = [
      "22-08",
      "22:00 - 08:00",
      "24:00-08:00",
      "22:60-08:00",
      "Mo 22:00-08:00",
      "mon 22:00-08:00",
      "",
      "Mon-Fri",
    ];
    expect(wrong.filter((text) => parseOpeningHours(text) !== undefined)).toEqual([]);
  });

  it("tell when the next ones begin", () => {
    expect(nextOpening(hours("22:00-08:00"), at("Mon 12:00"))).toBe("Mon 22:00");
    expect(nextOpening(hours("22:00-08:00"), at("Mon 22:00"))).toBe("Tue 22:00");
    expect(nextOpening(hours("Mon 06:00-07:00"), at("Mon 08:00"))).toBe("Mon 06:00");
    expect(nextOpening(hours("Sat 00:00-24:00", "Wed 09:05-10:00"), at("Sun 08:00"))).toBe("Wed 09:05");
    expect(nextOpening([], at("Sun 08:00"))).toBeUndefined();
  });
});

describe("the clock on the wall", () => {
  const show = (iso: string, zone: string) => {
    const clock = wallClock(zone, Date.parse(iso));
    return clock === undefined ? undefined : `${DAYS[clock.day]} ${Math.floor(clock.minute / 60)}:${clock.minute % 60}`;
  };

  it("is that of a place, on its own day", () => {
    expect(show("2026-07-01T22:30:00Z", "UTC")).toBe("Wed 22:30");
    expect(show("2026-07-01T22:30:00Z", "Europe/Berlin")).toBe("Thu 0:30");
    expect(show("2026-07-01T22:30:00Z", "America/St_Johns")).toBe("Wed 20:0");
    expect(show("2026-07-01T22:30:00Z", "Pacific/Kiritimati")).toBe("Thu 12:30");
    expect(show("2026-07-01T22:30:00Z", "Nowhere/Else")).toBeUndefined();
  });

  it("leaves an hour out in spring and shows one twice in autumn: hours go by what it shows", () => {
    const minutes = (from: string, count: number) =>
      Array.from({ length: count }, (_, minute) =>
        wallClock("Europe/Berlin", Date.parse(from) + minute * 60_000),
      ).filter((clock) => clock !== undefined && isOpen(hours("02:00-03:00"), clock)).length;
    // A whole day from local midnight.
    expect(minutes("2026-03-28T23:00:00Z", 23 * 60)).toBe(0);
    expect(minutes("2026-10-24T22:00:00Z", 25 * 60)).toBe(120);
    expect(minutes("2026-07-01T22:00:00Z", 24 * 60)).toBe(60);
  });
});
