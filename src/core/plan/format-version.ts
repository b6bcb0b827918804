/** Version of the plan as data. It grows with every change that a reader could stumble over. */
export const PLAN_FORMAT_VERSION = "1.0";
