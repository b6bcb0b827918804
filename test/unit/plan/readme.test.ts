import { expect, test } from "vitest";
import { readmeProject } from "../../rig/readme.ts";
import { planWorld } from "./world.ts";

test("The README's example fits into the memory of its own card, and into what the manual recommends", () => {
  const { project, pipeline } = readmeProject();
  const yaml = `${pipeline}${project.replace("version: 1\n", "").replaceAll(/\$\{MODELS\}/g, "models")}`;
  const clips = Array.from({ length: 20 }, (_, index) => ({ stem: `${index}`, frames: 30, size: [640, 360] as const }));
  const { plan, codes } = planWorld({ yaml, clips });
  const { vram } = plan.estimates;

  expect(plan.valid).toBe(true);
  expect(codes).toEqual([]);
  expect(vram?.available).toBe(24);
  // It says so: "15 to 20 GiB of the card's 24".
  expect(vram?.low).toBeGreaterThan(15);
  expect(vram?.high).toBeLessThan(20);
});
