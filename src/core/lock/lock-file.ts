/** What a lock file says of itself. */

export const LOCK_FORMAT = "wan22-lock";
export const LOCK_VERSION = 1;
