/**
 * Name and password in addresses (`https://user:token@host/…`), and what is asked of them (`?private_token=…`): they are nobody's who
 * reads what this program writes.
 */

/**
 * The end of an address's scheme: also as a path has it, in which two slashes are one, and as advice about a missing space has it.
 * Drive letters are none. Matching begins here, and is bounded: a hostile text of a million characters costs no more than another.
 */
const SCHEME = String.raw`(?<=[A-Za-z0-9+.-][A-Za-z0-9])(:\s?\/{1,2}`;
const WHO = new RegExp(String.raw`${SCHEME})([^\s/"'<>]{1,1000})(?=@)`, "g");
const ASKED = new RegExp(String.raw`${SCHEME}[^\s?"'<>\x60]{1,300}\?)([^\s"'<>\x60]+)`, "g");

/** A text in which no address names who asks, or by which secret. */
export function withoutCredentials(text: string): string {
  return text.replace(WHO, "$1***").replace(ASKED, "$1***");
}

/** The same, in as many characters: places in the text stay where they are. */
export function hideCredentials(text: string): string {
  const hide = (_: string, before: string, secret: string) => before + "*".repeat(secret.length);
  return text.replace(WHO, hide).replace(ASKED, hide);
}
