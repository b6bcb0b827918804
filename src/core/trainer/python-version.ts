/** The oldest Python that the bridge and the rehearsal run on (`OLDEST` in `python/wan22_contract/python_version.py`). */
export const OLDEST_PYTHON = "3.10";

/** Whether a version (`3.8.10`) is older than that. */
export function isPythonTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_PYTHON.split(".").map(Number);
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}
