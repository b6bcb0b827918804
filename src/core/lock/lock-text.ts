import type { Lock, LockedItem, LockedTensors } from "./lock.ts";

/**
 * The text of a lock, made to be read as a diff: an item in two lines, of which the second is its caption, and a line a group
 * of tensors. Keys stand in a fixed order, so that the same lock is the same text.
 */
export function lockText(lock: Lock): string {
  return `${text(lock, "")}\n`;
}

function text(value: unknown, indent: string): string {
  if (typeof value !== "object" || value === null || isShort(value)) return JSON.stringify(value);
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    return `[\n${value.map((entry) => inner + (isItem(entry) ? itemText(entry, inner) : text(entry, inner))).join(",\n")}\n${indent}]`;
  }
  const entries = Object.entries(value).map(([key, entry]) => `${inner}${JSON.stringify(key)}: ${text(entry, inner)}`);
  return `{\n${entries.join(",\n")}\n${indent}}`;
}

/** A card, a tensor, or nothing at all: what has no lines of its own. */
function isShort(value: object): boolean {
  const entries = Object.values(value);
  if (entries.length === 0) return true;
  if (isTensor(value)) return true;
  return "index" in value || "line" in value;
}

function isTensor(value: object): value is LockedTensors[number] {
  return Array.isArray(value) && value.length >= 3 && typeof value[0] === "string" && Array.isArray(value[2]);
}

function isItem(value: unknown): value is LockedItem {
  return typeof value === "object" && value !== null && "name" in value && "bytes" in value;
}

function itemText({ caption, ...content }: LockedItem, indent: string): string {
  const line = JSON.stringify(content);
  return caption === undefined ? line : `${line.slice(0, -1)},\n${indent} "caption": ${JSON.stringify(caption)}}`;
}
