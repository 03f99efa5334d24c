import { Command } from 'commander';
import { loadPlugins } from './plugins.js';
import { repeated } from './repeated.js';
import { version } from './version.js';

interface Entry {
  name: string;
  /** its arguments, as the list of commands shows them */
  takes?: string;
  description: string;
  /** the file that gives the command its flags and its action */
  load(): Promise<{ add(command: Command, program: Command): void }>;
}

/** The commands, in the order in which they are listed. */
const commands: readonly Entry[] = [
  {
    name: 'explain',
    description: 'Show which tokens and words made a model answer as it did.',
    load: () => import('./commands/explain.js'),
  },
  {
    name: 'attention',
    description: 'Write rows, columns or whole matrices of the hidden attention to a safetensors file, or draw rows over an image.',
    load: () => import('./commands/attention.js'),
  },
  {
    name: 'capture',
    description: 'Write what a model computes at named sites, such as layers.*.delta, to a safetensors file.',
    load: () => import('./commands/capture.js'),
  },
  {
    name: 'knockout',
    description: 'Cut edges of the hidden attention and see what becomes of the answer, in all layers or by windows of layers.',
    load: () => import('./commands/knockout.js'),
  },
  {
    name: 'patch',
    description: 'Put values of the clean run into a run that was corrupted, and see where the answer comes back.',
    load: () => import('./commands/patch.js'),
  },
  {
    name: 'lens',
    description: 'Look at what a model holds: its answer after each layer, what its states keep of each token, how far back it reads.',
    load: () => import('./commands/lens.js'),
  },
  {
    name: 'prune',
    description: 'Drop the tokens of a text that a layer takes the smallest steps for (DeciMamba), and see what becomes of the answer.',
    load: () => import('./commands/prune.js'),
  },
  {
    name: 'generate',
    description: 'Continue a prompt, or rows of token ids; or choose among given answers.',
    load: () => import('./commands/generate.js'),
  },
  {
    name: 'train',
    description: 'Train a model on text files, JSON lines ({"text"}, {"prompt", "completion"}, {"messages"}, {"text", "label"}) or images.',
    load: () => import('./commands/train.js'),
  },
  {
    name: 'perplexity',
    description: 'Say how well a language model predicts a text, of any length: mean loss, perplexity, bits per token and per byte.',
    load: () => import('./commands/perplexity.js'),
  },
  {
    name: 'inspect',
    takes: '<M>',
    description: 'Say what a model is: family, files, sizes, parameters, what is unused or missing, attention maps, memory of each view.',
    load: () => import('./commands/inspect.js'),
  },
  {
    name: 'convert',
    takes: '<IN> <OUT>',
    description: 'Write a model in another file format: a folder in Hugging Face layout, or a GGUF file that llama.cpp reads.',
    load: () => import('./commands/convert.js'),
  },
  {
    name: 'doctor',
    description: 'Say what this machine offers and whether everything works on it.',
    load: () => import('./commands/doctor.js'),
  },
  {
    name: 'bench',
    description: 'Time the selective scan and one attention row on this machine.',
    load: () => import('./commands/bench.js'),
  },
  {
    name: 'evaluate',
    takes: '[SWEEP]',
    description: 'Measure methods by protocols on data sets: a sweep, with its report and leaderboard.',
    load: () => import('./commands/evaluate.js'),
  },
  {
    name: 'reproduce',
    description: "Measure the paper's experiments on the models here, and write a page: published, ours, whether the claim held.",
    load: () => import('./commands/reproduce.js'),
  },
  {
    name: 'worker',
    description: 'Work on the sweeps of a queue; start as many as there are machines.',
    load: () => import('./commands/worker.js'),
  },
];

/**
 * The command line: each command is a file that parses, calls one package and prints. Those that `words`, the arguments, name are
 * loaded; of the others there is only what the list of commands shows.
 */
export async function createProgram(words: readonly string[]): Promise<Command> {
  const program = new Command('hidden-attention')
    .description('Train, run and explain Mamba models.')
    .version(version)
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true, subcommandTerm: (command) => `${command.name()} ${command.usage()}` })
    .option('--device <NAME>', 'where to compute: cpu, cuda, cuda:1 (default: HIDDEN_ATTENTION_DEVICE, else cpu)')
    .option('--debug', 'print the stack of an error')
    .addOption(repeated('--plugin <NAME>', 'a package, or a file such as ./mine.js, that registers explainers or families'))
    .hook('preAction', async (command) => loadPlugins(command.opts<{ plugin?: string[] }>().plugin ?? []));
  program.configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'hidden-attention: ')) });
  for (const { name, takes = '', description, load } of commands) {
    const command = program.command(name).description(description);
    if (words.includes(name)) (await load()).add(command, program);
    else command.usage(`[options] ${takes}`.trimEnd());
  }
  return program;
}
