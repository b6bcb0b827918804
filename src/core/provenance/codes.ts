import type { DiagnosticKind } from "../diagnostic.ts";

/** What can be wrong where it is asked what a run was made from. */
export const PROVENANCE_CODES = {
  noSuchRun: {
    code: "E1",
    severity: "error",
    summary: "There is no such run, and no such file",
    why: "What is to be proved or repeated is a run of this project, by its id, or a checkpoint, by its file.",
    mend: "`wan22 runs` lists the runs. Go to the project that a file was trained in, or name the file.",
    example: "wan22 verify 20250101T000000Z-fox-0000",
  },
  noRecord: {
    code: "E2",
    severity: "error",
    summary: "Nothing is recorded of what the run was made from",
    why: "It was begun by a wan22 that wrote no `provenance.json`, or the file can't be read any more.",
    mend: "Apply the pipeline again for a run whose making is recorded.",
    example: "wan22 rerun 20250101T000000Z-fox-0000 # and its folder has no provenance.json",
  },
  noCommit: {
    code: "E3",
    severity: "error",
    summary: "The commit of the run is not in this repository",
    why: "The plan is made again from that commit. It was removed, as by a forced push, was never fetched, or there was no repository.",
    mend: "Fetch it, if anybody has it still (`git fetch REMOTE COMMIT`), or apply the pipeline as it is now.",
    example: "wan22 rerun 20250101T000000Z-fox-0000 # after git push --force and a git gc",
  },
  noTree: {
    code: "E4",
    severity: "error",
    summary: "The commit of the run can't be laid out",
    why: "A run is repeated in a working tree of its own, so that nothing of the present one is touched.",
    mend: "See what Git says; what an earlier `wan22 rerun` of the same run has left there can be removed with `git worktree remove --force`.",
    example: "wan22 rerun 20250101T000000Z-fox-0000 # while another one is at work on it",
  },
  notInCommit: {
    code: "E5",
    severity: "error",
    summary: "The pipeline file was not in the commit",
    why: "The run was made from a file that nobody had committed, so that the commit can't tell what it said.",
    mend: "Commit pipelines before they are applied. What this one said is in the run's `provenance.json`, under `made_from.spec`.",
    example: "wan22 rerun 20250101T000000Z-fox-0000 # of a file that was untracked",
  },
  nothingMade: {
    code: "E6",
    severity: "error",
    summary: "The run has made no checkpoint",
    why: "There is nothing that could be proved, or compared: it has not come to its end yet, failed before, or had none to make.",
    mend: "Name another run; `wan22 runs` lists them.",
    example: "wan22 verify 20250101T000000Z-fox-0000 # of a run that was stopped while it cached",
  },
  noCheckpoint: {
    code: "A111",
    severity: "error",
    summary: "What is named is no checkpoint",
    why: "A checkpoint is proved by its bytes, together with the statement beside it; of folders and statements by themselves nothing is recorded.",
    mend: "Name a checkpoint, or a run by its id.",
    example: "wan22 verify output/fox",
  },
} as const satisfies Readonly<Record<string, DiagnosticKind>>;
