/** Git LFS's pointers: what lies in a file's place where nobody has fetched it (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md). */

/** How one begins. */
export const LFS_POINTER = "version https://git-lfs";
/** No pointer is longer, by its specification. */
export const MAX_LFS_POINTER_BYTES = 1024;

/** What is wrong with a file that is one. */
export const LFS_PROBLEM = "it is Git LFS's pointer to the file, not the file itself; `git lfs pull` fetches it";

/** What a pointer says of the file itself; undefined for a text that is none. */
export function readLfsPointer(text: string): { readonly sha256: string; readonly bytes: number } | undefined {
  const [, sha256] = /^oid sha256:([0-9a-f]{64})$/m.exec(text) ?? [];
  const [, bytes] = /^size (\d{1,15})$/m.exec(text) ?? [];
  if (!text.startsWith(LFS_POINTER) || sha256 === undefined || bytes === undefined) return undefined;
  return { sha256, bytes: Number(bytes) };
}
