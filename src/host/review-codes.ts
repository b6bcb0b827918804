// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import type { DiagnosticKind } from "../core/diagnostic.ts";

/** What can be in the way of looking at a change (`--changed-since`), and what is not done for one. */
export const REVIEW_CODES = {
  noRepository: {
    code: "V1",
    severity: "error",
    summary: "There is no Git repository to find changes in",
    why: "What a change touches is found by comparing with another commit.",
    mend: "Go to a folder of a Git repository, or leave `--changed-since` out.",
    example: "wan22 plan --changed-since origin/main   # in a folder without .git",
  },
  noSuchCommit: {
    code: "V2",
    severity: "error",
    summary: "The commit to compare with is not in this repository",
    why: "A name that Git does not know can't be compared with; nothing is guessed in its place.",
    mend: "Check the name; a branch of the remote has to be fetched: `git fetch origin main`, or `fetch-depth: 0` for actions/checkout.",
    example: "wan22 plan --changed-since origin/mian",
  },
  noCommonCommit: {
    code: "V3",
    severity: "error",
    summary: "There is no commit that both sides come from",
    why: "A change is what came since the commit that both sides have in common; without it everything would look changed, or the wrong things.",
    mend: "Fetch the whole history: `git fetch --unshallow`, or `fetch-depth: 0` for actions/checkout.",
    example: "- uses: actions/checkout@v5   # fetches one commit: add `with: { fetch-depth: 0 }`",
  },
  gitFailed: {
    code: "V4",
    severity: "error",
    summary: "Git could not be asked",
    why: "What a change touches is found with the help of `git`.",
    mend: "Install Git, or do what it says.",
    example: "wan22 plan --changed-since origin/main   # on a machine without git",
  },
  outsideRepository: {
    code: "V5",
    severity: "error",
    summary: "A change under review leads out of the repository",
    why: "What a plan is made of is shown in it: a change from somebody unknown must not make a runner show its machine's other files.",
    mend: "Put the file into the repository, and no link in its place; or plan without `--changed-since` where the change is your own.",
    example: "train:\n  sample_prompts: /home/runner/.netrc",
  },
  variableNotUsed: {
    code: "V6",
    severity: "warning",
    summary: "A variable that the change is the first to name is not filled in",
    why: "What the environment holds may be secret, and a plan shows paths: in a review only variables count that pipelines and wan22.yaml of the other side name already.",
    mend: "Name it in a change of its own, merged before this one; or plan without `--changed-since` where the change is your own.",
    example: "output:\n  dir: output/${GITHUB_TOKEN}",
  },
  notStarted: {
    code: "V7",
    severity: "note",
    summary: "A Python that the change brings along is not started",
    why: "A review looks and runs nothing: whoever opens a pull request could name a program of his own.",
    mend: "Nothing has to be done. Whether it starts, and its version, is seen where the pipeline is applied.",
    example: "trainer:\n  python: tools/python",
  },
} as const satisfies Record<string, DiagnosticKind>;
