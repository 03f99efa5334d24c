import { Command } from 'commander';
import { addAttention } from './commands/attention.js';
import { addBench } from './commands/bench.js';
import { addCapture } from './commands/capture.js';
import { addConvert } from './commands/convert.js';
import { addDoctor } from './commands/doctor.js';
import { addEvaluate } from './commands/evaluate.js';
import { addExplain } from './commands/explain.js';
import { addGenerate } from './commands/generate.js';
import { addInspect } from './commands/inspect.js';
import { addKnockout } from './commands/knockout.js';
import { addLens } from './commands/lens.js';
import { addPatch } from './commands/patch.js';
import { addPerplexity } from './commands/perplexity.js';
import { addPrune } from './commands/prune.js';
import { addReproduce } from './commands/reproduce.js';
import { addTrain } from './commands/train.js';
import { addWorker } from './commands/worker.js';
import { repeated } from './options.js';
import { loadPlugins } from './plugins.js';
import { version } from './version.js';

/** The command line: each command is a file that parses, calls one package and prints. */
export function createProgram(): Command {
  const program = new Command('hidden-attention')
    .description('Train, run and explain Mamba models.')
    .version(version)
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .option('--device <NAME>', 'where to compute: cpu, cuda, cuda:1 (default: HIDDEN_ATTENTION_DEVICE, else cpu)')
    .option('--debug', 'print the stack of an error')
    .addOption(repeated('--plugin <NAME>', 'a package, or a file such as ./mine.js, that registers explainers or families'))
    .hook('preAction', async (command) => loadPlugins(command.opts<{ plugin?: string[] }>().plugin ?? []));
  program.configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'hidden-attention: ')) });
  for (const add of [
    addExplain,
    addAttention,
    addCapture,
    addKnockout,
    addPatch,
    addLens,
    addPrune,
    addGenerate,
    addTrain,
    addPerplexity,
    addInspect,
    addConvert,
    addDoctor,
    addBench,
    addEvaluate,
    addReproduce,
    addWorker,
  ])
    add(program);
  return program;
}
