/**
 * Name and password in addresses (`https://user:token@host/…`), and what is asked of them (`?private_token=…`): they are nobody's who
 * reads what this program writes.
 */

/** A text in which no address names who asks, or by which secret. */
export function withoutCredentials(text: string): string {
  return text
    .replace(/\b([A-Za-z][A-Za-z0-9+.-]*:\/\/)[^\s/@"'<>]+@/g, "$1***@")
    .replace(/\b([A-Za-z][A-Za-z0-9+.-]*:\/\/[^\s?"'<>]+\?)[^\s"'<>]+/g, "$1***");
}
