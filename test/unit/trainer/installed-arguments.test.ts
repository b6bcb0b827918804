import { describe, expect, test } from "vitest";
import { readInstalledArguments } from "../../../src/core/trainer/installed-arguments.ts";

/** A trainer's package by module: what its three scripts need to have parsers, and whatever a test adds or replaces. */
function argumentsOf(modules: Readonly<Record<string, string>>) {
  const sound: Readonly<Record<string, string>> = {
    wan_cache_latents: "def main():\n    parser = argparse.ArgumentParser()\n    parser.add_argument('--vae')\n",
    wan_cache_text_encoder_outputs:
      "def main():\n    parser = make()\n\ndef make():\n    parser.add_argument('--t5')\n",
    wan_train_network: "def main():\n    parser.add_argument('--dit', required=True)\n",
  };
  const all = { ...sound, ...modules };
  return readInstalledArguments((module) => (Object.hasOwn(all, module) ? all[module] : undefined));
}

function trainArguments(text: string) {
  return argumentsOf({ wan_train_network: text }).train;
}

describe("an installed trainer's arguments are read from its source", () => {
  test("each script's from its main", () => {
    const { train, ...caching } = argumentsOf({});
    expect([...(caching["cache-latents"]?.keys() ?? [])]).toEqual(["--vae"]);
    expect([...(caching["cache-text"]?.keys() ?? [])]).toEqual(["--t5"]);
    expect(train?.get("--dit")).toEqual({ kind: "value", type: "string", required: true });
  });

  test("with kind, type and choices", () => {
    const read = trainArguments(`
def main():
    parser.add_argument("--sdpa", action="store_true", help="use (sdpa), not \\"xformers\\"")
    parser.add_argument(
        "--seed", type=int, default=None,  # a comment with --nothing
    )
    parser.add_argument("--optimizer_args", type=str, default=None, nargs="*")
    parser.add_argument('--rate', '-r', type=float, choices=["1e-4", '2e-4'])
    parser.add_argument("--warmup", type=_int_or_float, choices=list(KNOWN.keys()), required=False)
`);
    expect(Object.fromEntries(read ?? [])).toEqual({
      "--sdpa": { kind: "flag", type: "string", required: false },
      "--seed": { kind: "value", type: "int", required: false },
      "--optimizer_args": { kind: "list", type: "string", required: false },
      "--rate": { kind: "value", type: "float", choices: ["1e-4", "2e-4"], required: false },
      "--warmup": { kind: "value", type: "int_or_float", required: false },
    });
  });

  test("through every function that is handed the parser, wherever it was imported from", () => {
    const { train } = argumentsOf({
      wan_train_network: `
from musubi_tuner.hv_train_network import (
    NetworkTrainer,
    setup_parser_common,
)
import musubi_tuner.cache_latents as cache_latents

def main():
    parser = setup_parser_common()
    parser = wan_setup_parser(parser)
    cache_latents.more(parser, "x")
    args = parser.parse_args()
    args = read_config_from_file(args, parser)

def wan_setup_parser(
    parser: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """Says --nothing."""
    parser.add_argument("--task")
    return parser
`,
      hv_train_network: "from musubi_tuner.training.parser_common import setup_parser_common\n",
      "training.parser_common":
        "def setup_parser_common():\n    parser = argparse.ArgumentParser()\n    parser.add_argument('--common')\n    return parser\n",
      cache_latents:
        "def more(parser, x):\n    group.add_argument('--more')\n\nx = 1\nparser.add_argument('--outside')\n",
    });
    expect([...(train?.keys() ?? [])].sort()).toEqual(["--common", "--more", "--task"]);
  });

  test.each([
    ["no such module", undefined],
    ["a main that is not there", "parser.add_argument('--x')\n"],
    ["a parser from elsewhere", "def main():\n    parser = elsewhere()\n    parser.add_argument('--x')\n"],
    ["a string that never ends", "def main():\n    parser = '''"],
    [
      "functions that call each other",
      "def main():\n    a(parser)\ndef a(parser):\n    b(parser)\ndef b(parser):\n    a(parser)\n",
    ],
    ["bytes", "\u0000\ud800(((("],
  ])("and unknown where its parser cannot be followed: %s", (_, text) => {
    expect(readInstalledArguments(() => text).train).toBeUndefined();
  });
});
