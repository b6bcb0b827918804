import type { DiagnosticKind } from "../diagnostic.ts";

/** What can be wrong with records on a branch of the repository (`state: { backend: git }`). */
export const BRANCH_CODES = {
  unreachable: {
    code: "G1",
    severity: "warning",
    summary: "The state branch could not be asked",
    why: "What other machines have trained since it was last fetched is not known here.",
    mend: "Look at the network and at your rights to the remote; `git ls-remote` shows what Git says. Nothing else is held up by it.",
    example: "state: { backend: git } # with the network down",
  },
  noRemote: {
    code: "G2",
    severity: "warning",
    summary: "There is no repository, or no such remote, for the state branch",
    why: "Records stay in this checkout alone, and a plan made elsewhere does not know what is trained.",
    mend: "Add the remote (`git remote add origin …`), name another one under `state.remote`, or write `state: { backend: local }`.",
    example: "state: { backend: git, remote: upstream } # and no remote of this name",
  },
  notOurs: {
    code: "G3",
    severity: "warning",
    summary: "The branch named for the state holds something else",
    why: "A state branch holds records and nothing else; commits on another branch would end up in somebody's work. It is neither read nor written.",
    mend: "Name a branch that is not there yet under `state.branch`: it is made.",
    example: "state: { backend: git, branch: main }",
  },
  contradicts: {
    code: "G4",
    severity: "error",
    summary: "This checkout and the state branch tell different histories of the pipeline",
    why: "It was trained in two places that did not know of each other. By one of the records work is done that by the other is not, and neither is put in place of the other unasked.",
    mend: "Say which one holds: `wan22 state push --force NAME` for the one here, `wan22 state restore --from branch NAME` for the branch's. What is replaced is kept.",
    example: "# fox.yaml applied on two machines before either had `state: { backend: git }`",
  },
  atWork: {
    code: "G5",
    severity: "error",
    summary: "By the state branch another machine is at work on the pipeline",
    why: "Two machines would train the same thing, and the record of one of them would be lost to the other.",
    mend: "Wait until it has ended, or stop it there. If that machine is gone for good: `wan22 state unlock NAME`.",
    example: "wan22 apply fox.yaml # while gpu-7 trains it",
  },
  filesElsewhere: {
    code: "G6",
    severity: "error",
    summary: "What the plan goes on from is on another machine",
    why: "Records travel by the state branch, and the files that they tell of do not: caches, checkpoints and training states stay where they were made.",
    mend: "Apply there, copy the training state to the same place here, or make anew what is missing with `--replace`.",
    example: "wan22 apply fox.yaml # on a fresh machine; its training state is on gpu-7",
  },
  notPushed: {
    code: "G7",
    severity: "warning",
    summary: "The record could not be put on the state branch",
    why: "It is complete here, and a plan made elsewhere does not know of it yet.",
    mend: "The next `wan22 apply`, or `wan22 state push`, pushes it.",
    example: "# the network went away while fox.yaml trained",
  },
  rewritten: {
    code: "G8",
    severity: "warning",
    summary: "The state branch was rewritten or deleted",
    why: "Records that were seen on it are there no more; what other machines had put there comes back with their next push.",
    mend: "Nothing has to be done for what was trained here: the next `wan22 apply`, or `wan22 state push`, puts it there again.",
    example: "git push --delete origin wan22-state",
  },
  damaged: {
    code: "G9",
    severity: "warning",
    summary: "A record on the state branch can't be read",
    why: "Somebody edited it, or merged it by hand. It counts as if it were not there.",
    mend: "Where the pipeline was trained, `wan22 state push --force NAME` puts the record there again; the branch's history has the earlier ones.",
    example: "# state/fox.json on the branch:\n<<<<<<< HEAD",
  },
  begunElsewhere: {
    code: "G10",
    severity: "error",
    summary: "Another machine began the pipeline first",
    why: "Both planned it at the same time, and the state branch takes one of them. So nothing was started here: two would train the same thing.",
    mend: "Apply again when it has ended: what it has trained is known then.",
    example: "wan22 apply fox.yaml # in the same seconds as on gpu-7",
  },
  trainedTwice: {
    code: "G11",
    severity: "error",
    summary: "Another machine has worked on the pipeline at the same time",
    why: "The state branch could not be asked when it began here, so that neither knew of the other. Everything that was made here is here, and its record is not on the branch.",
    mend: "Say which one holds: `wan22 state push --force NAME` for the one here, `wan22 state restore --from branch NAME` for the branch's. What is replaced is kept.",
    example: "wan22 apply fox.yaml # while the network was down, and on gpu-7 as well",
  },
} as const satisfies Record<string, DiagnosticKind>;

/** The commands in a mend, for one pipeline. */
export function mendFor({ mend }: DiagnosticKind, pipeline: string): string {
  return mend.replaceAll("NAME", pipeline);
}
