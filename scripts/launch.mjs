#!/usr/bin/env node
// What dist/wan22.js does: it has V8 get ready for what is asked, and loads the command line in the form that fits it.
import { keepHeapSmall } from "../src/host/heap.ts";

/** Commands that may wait for days. */
const LONG = ["apply", "attach", "rerun", "watch"];

const isLong = LONG.includes(process.argv[2]);
// Before anything is compiled.
if (isLong) keepHeapSmall();
await import(isLong ? "./runner.js" : "./cli.js");
