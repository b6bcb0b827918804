/** A plan with its paths as the pipeline writes them: what `${VAR}` and `~` stand for is this machine's affair. */

/** `expanded`: paths by what they mean, with how they were written (`Spec.expanded`). Keys of records are rewritten too. */
export function withWrittenPaths<T>(value: T, expanded: ReadonlyMap<string, string>): T {
  // A root or the project itself is no name that could be found again in a text.
  const paths = [...expanded].filter(([path]) => path.length > 1).sort(([a], [b]) => b.length - a.length);
  return paths.length === 0 ? value : (rewrite(value, paths.map(rewriterOf)) as T);
}

type Rewriter = (text: string) => string;

function rewrite(value: unknown, rewriters: readonly Rewriter[]): unknown {
  if (typeof value === "string") return rewriters.reduce((text, apply) => apply(text), value);
  if (Array.isArray(value)) return value.map((entry) => rewrite(entry, rewriters));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [String(rewrite(key, rewriters)), rewrite(entry, rewriters)]),
  );
}

/** The path itself, what lies below it, and its mention in a text: TOML's, or a sentence's. */
function rewriterOf([path, written]: readonly [string, string]): Rewriter {
  const literal = path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const before = "(?<=^|[\"'`\\s(=:,])";
  // A bare word that stands alone is a path only where a file quotes it.
  const mention = path.includes("/")
    ? new RegExp(`${before}${literal}(?=$|[/"'\`\\s),:;]|\\.(?:\\s|$))`, "gm")
    : new RegExp(`${before}${literal}(?=/)|(?<=")${literal}(?=")`, "gm");
  return (text) => {
    if (text === path) return written;
    if (text.startsWith(`${path}/`)) return written + text.slice(path.length);
    return text.includes(path) ? text.replace(mention, () => written) : text;
  };
}
