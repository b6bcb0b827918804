import { diagnose } from "../../diagnostic.ts";
import type { DiskFacts } from "../../facts.ts";
import type { StageRecord } from "../../state/state.ts";
import type { CachingId } from "../../vocabulary.ts";
import { modelChanges, valueChanges } from "../changes.ts";
import { PLAN_CODES } from "../codes.ts";
import { cacheBytesByFile, cachingWrites } from "../estimates/disk-space.ts";
import { fingerprintOf, type StageInputs } from "../fingerprint.ts";
import type { Reason, StageAction } from "../plan.ts";
import {
  type PlannedStage,
  type Planning,
  recordedDevices,
  renderedStage,
  stageDevices,
  waitReason,
} from "../stage.ts";
import { countText, namesText, takeBack } from "../wording.ts";
import { recordMatches, witnessOf } from "./cache-witness.ts";
import {
  CACHE_SUFFIX,
  type CacheStanding,
  type CacheSurvey,
  storeFolder,
  surveyCaches,
  type WantedCache,
} from "./caches.ts";
import { findStored, isStorable, type Stored, storedReason, wantedOf } from "./store.ts";

/** Plans the two caching stages: which files there will be, which of them are to be made, and why (design §5). */

/** `training`: what is planned of the train stages. */
export function planCaching(id: CachingId, planning: Planning, training: readonly PlannedStage[]): PlannedStage {
  const { resolved, inputs: inputsOptions, sha256 } = planning;
  const { wanted, shaping } = wantedOf(id, { resolved, items: planning.items, inputs: inputsOptions, sha256 });
  const fingerprint = fingerprintOf(id, shaping, sha256);
  const folders = resolved.dataset.sources.map(({ cacheDir }) => cacheDir);
  // Of a pipeline that is trained elsewhere nothing is encoded here, whatever lies here.
  const isNeeded = planning.choices.replace.has(id) || training.some(({ stage }) => stage.action !== "none");
  const { record, disk, isOwn } = witnessOf(id, folders, isNeeded ? planning : { ...planning, here: undefined });
  const matches = (record === undefined && isOwn) || recordMatches(id, record, shaping, planning);
  const survey = surveyCaches({
    wanted,
    folders,
    suffix: CACHE_SUFFIX[id],
    ledger: record?.caches,
    unlisted: matches ? "fresh" : "unproven",
    disk,
  });
  const running = planning.alive.has(id) && record !== undefined;
  const decision = decide({ id, planning, survey, record, disk, shaping, running });
  const { argv, files } = renderedStage(planning.rendered, id);
  const pending = decision.pending.map(({ file }) => file);
  const [stored, leftover] = [[...decision.stored.files], [...survey.leftover]];
  const store = isStorable(id, resolved, shaping) ? storeFolder(resolved.spec) : undefined;
  const conflict = running && (record.fingerprint !== fingerprint || planning.choices.replace.has(id));
  const planned: PlannedStage = {
    stage: {
      id,
      action: decision.action,
      reasons: [...decision.reasons],
      driver: planning.driverOf(id),
      ...(running ? recordedDevices(record) : stageDevices(id, resolved)),
      argv: [...argv],
      files: { ...files },
      cache_files: wanted.map(({ file }) => file),
      pending,
      ...(store === undefined ? {} : { store }),
      ...(stored.length === 0 ? {} : { stored }),
      writes: [...cachingWrites({ pending, stored, store }, cacheBytesByFile(planning.items, resolved), disk)],
      ...(leftover.length === 0 ? {} : { leftover }),
      cache_digests: Object.fromEntries(wanted.map(({ file, digest }) => [file, digest])),
      fingerprint,
      inputs: { ...shaping.inputs },
      identities: { ...shaping.identities },
    },
    checkpoints: [],
    diagnostics: conflict
      ? [
          diagnose(
            PLAN_CODES.runningSomethingElse,
            `The stage ${id} of ${resolved.spec.name} is running (run ${record.run}) on a dataset or settings other than what is wanted now. ${takeBack(resolved.spec.file)}`,
            { at: { file: resolved.spec.file } },
          ),
        ]
      : [],
  };
  return planning.choices.waits(id) && decision.action !== "none" ? waiting(planned, planning) : planned;
}

/** The stage left as it is, because others were asked for. */
function waiting({ stage }: PlannedStage, planning: Planning): PlannedStage {
  const { leftover: _, stored: __, ...rest } = stage;
  const withheld = { action: stage.action, reasons: stage.reasons };
  return {
    stage: { ...rest, action: "wait", reasons: [waitReason(planning, withheld)], pending: [] },
    checkpoints: [],
    diagnostics: [],
    withheld,
  };
}

interface Situation {
  readonly id: CachingId;
  readonly planning: Planning;
  readonly survey: CacheSurvey;
  readonly record: StageRecord | undefined;
  readonly disk: DiskFacts | undefined;
  readonly shaping: StageInputs;
  readonly running: boolean;
}

interface Decision {
  readonly action: StageAction;
  readonly reasons: readonly Reason[];
  /** Files to be made. */
  readonly pending: readonly WantedCache[];
  readonly stored: Stored;
}

function decide(situation: Situation): Decision {
  const { id, planning, survey, record, disk, running } = situation;
  const { wanted, standings, leftover } = survey;
  const requested = planning.choices.replace.has(id) && standings.some((standing) => standing !== "missing");
  const pending = wanted.filter((_, index) => requested || standings[index] !== "fresh");
  const total = countText(wanted.length, "cache file");
  if (running) return { action: "resume", reasons: [runningReason(record)], pending, stored: NOTHING_STORED };
  const stored = findStored(pending, { promised: planning.promised, disk, content: requested ? "ignore" : "take" });
  const because = (action: StageAction, [first, ...more]: readonly Reason[]): Decision => {
    const reasons = [...(first === undefined ? [] : [first]), ...storedReason(stored, pending.length), ...more];
    return { action, reasons, pending, stored };
  };
  if (requested) return because("update", [{ cause: "requested", text: `asked for: all ${total} are made anew` }]);
  if (pending.length === 0 && leftover.length === 0) {
    const there = wanted.length === 1 ? "the cache file is there" : `all ${total} are there`;
    return because("none", [{ cause: "up-to-date", text: there }]);
  }
  if (record === undefined && standings.every((standing) => standing === "missing") && leftover.length === 0) {
    return because("create", [{ cause: "no-record", text: `${total} to make` }]);
  }
  const elsewhere = disk !== undefined && planning.elsewhere !== undefined ? [elsewhereReason(planning.elsewhere)] : [];
  return because("update", [...updateReasons(situation, pending.length), ...elsewhere]);
}

const NOTHING_STORED: Stored = { files: [], makers: [] };

function elsewhereReason(host: string): Reason {
  return { cause: "stale", text: `by the record ${host} has made them; what lies here is told by this checkout's own` };
}

function runningReason(record: StageRecord | undefined): Reason {
  return { cause: "running", text: `it is running (run ${record?.run ?? ""})` };
}

const STANDING_TEXT: Readonly<Record<Exclude<CacheStanding, "fresh">, string>> = {
  missing: "missing",
  broken: "cut short",
  stale: "stale",
  unproven: "of unknown origin",
};

/** Why an update: how many of how many, what differs from what they were made from, and what is left over. */
function updateReasons({ id, planning, survey, record, shaping }: Situation, pending: number): readonly Reason[] {
  const { wanted, standings, leftover } = survey;
  const counted = (["missing", "broken", "stale", "unproven"] as const).flatMap((standing) => {
    const count = standings.filter((one) => one === standing).length;
    return count === 0 ? [] : [`${count} ${STANDING_TEXT[standing]}`];
  });
  const stale = standings.some((standing) => standing !== "fresh" && standing !== "missing");
  const made: Reason[] =
    pending === 0
      ? []
      : [
          {
            cause: stale ? "stale" : "missing",
            text: `${pending} of ${countText(wanted.length, "cache file")} to make: ${counted.join(", ")}`,
          },
        ];
  const left: Reason[] =
    leftover.length === 0
      ? []
      : [
          {
            cause: "dataset-changed",
            text: `${countText(leftover.length, "file")} no longer in the dataset: ${namesText(leftover.map(lastPart))}`,
          },
        ];
  if (record === undefined) return [...made, ...left];
  const changed = [
    ...valueChanges(record.inputs, shaping.inputs, planning.provenance),
    ...modelChanges(record.identities, shaping.identities),
  ];
  const unfinished: Reason[] =
    record.status === "finished" || pending === 0
      ? []
      : [{ cause: "unfinished", text: "the last run of it did not finish" }];
  return [...made, ...unfinished, ...changed, ...(changed.length > 0 ? [] : clipReasons(id, survey, record)), ...left];
}

/** With nothing else changed, a stale file is a clip or a caption that changed, and one that was never made is a new clip. */
function clipReasons(id: CachingId, { wanted, standings }: CacheSurvey, record: StageRecord): readonly Reason[] {
  const ledger = record.caches ?? {};
  const known = new Set(wanted.filter(({ file }) => Object.hasOwn(ledger, file)).map(clipOf));
  const clipsWhere = (fits: (cache: WantedCache, standing: CacheStanding | undefined) => boolean) => {
    const found = wanted.filter((cache, index) => fits(cache, standings[index]));
    return [...new Map(found.map((cache) => [clipOf(cache), cache.stem])).values()];
  };
  const reason = (text: string, stems: readonly string[]): Reason[] =>
    stems.length === 0 ? [] : [{ cause: "dataset-changed", text: `${text}: ${namesText(stems)}` }];
  const changed = clipsWhere(({ file, digest }) => Object.hasOwn(ledger, file) && ledger[file] !== digest);
  const added =
    known.size === 0 ? [] : clipsWhere((cache, standing) => standing === "missing" && !known.has(clipOf(cache)));
  const count = countText(changed.length, "clip");
  return [
    ...reason(`${countText(added.length, "clip")} added`, added),
    ...reason(id === "cache-text" ? `caption of ${count} changed` : `${count} replaced`, changed),
  ];
}

function clipOf({ folder, stem }: WantedCache): string {
  return `${folder}\n${stem}`;
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
