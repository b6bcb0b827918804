import * as z from "zod";
import { STATE_BACKENDS } from "../vocabulary.ts";
import { field } from "./field.ts";

/** The shape of `state`: where the record of a pipeline is kept beside its own folder. */

/** A name that Git takes for a branch, and no command for an option. */
const REF_NAME = /^(?!.*(?:\.\.|\/\/|\/\.|\.lock(?:\/|$)))[A-Za-z0-9][A-Za-z0-9._/-]{0,199}(?<![./])$/;

export const stateShape = field(
  z
    .strictObject({
      backend: field(z.enum(STATE_BACKENDS), {
        wants: "choice",
        expected: `one of ${STATE_BACKENDS.join(", ")}`,
        choices: STATE_BACKENDS,
        doc: "Where records are kept: local is the state folder alone, git puts a copy on a branch of its own, so that a plan made elsewhere knows what is trained already.",
        defaultValue: "local",
      }).optional(),
      branch: field(z.string().regex(REF_NAME), {
        wants: "text",
        expected: "the name of a branch",
        example: "wan22-state",
        doc: "With `backend: git`: the branch, which holds records and nothing else.",
        defaultValue: "wan22-state",
      }).optional(),
      remote: field(z.string().regex(REF_NAME), {
        wants: "text",
        expected: "the name of a remote of the repository, not its address",
        example: "origin",
        doc: "With `backend: git`: the remote that the branch is pushed to.",
        defaultValue: "origin",
      }).optional(),
    })
    .nullable(),
  {
    wants: "map",
    expected: "a map of backend, branch and remote",
    doc: "Where records can be seen from other machines.",
  },
).optional();
