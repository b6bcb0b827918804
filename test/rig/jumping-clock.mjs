// Loaded before `wan22` (`node --import`): its system clock is set again and again, as WAN22_CLOCK says. `back`: by an hour at
// every look. `wild`: now and then, to anywhere between a day ago and tomorrow.
const HOUR_MS = 3_600_000;
const isWild = process.env.WAN22_CLOCK === "wild";

const now = Date.now.bind(Date);
const anywhere = () => (Math.random() - 0.5) * 48 * HOUR_MS;
let offset = isWild ? anywhere() : 0;

function look() {
  if (!isWild) offset -= HOUR_MS;
  else if (Math.random() < 0.05) offset = anywhere();
  return Math.round(now() + offset);
}

globalThis.Date = class extends Date {
  constructor(...args) {
    super(...(args.length === 0 ? [look()] : args));
  }

  static now() {
    return look();
  }
};
