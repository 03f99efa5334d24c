/** Where an answer comes from. */
export interface Sources {
  sure: readonly number[];
  /** what may be taken for the source as well */
  possible?: readonly number[];
}

/** One text of a task: what the model reads, what it must write, and for each written character the places it comes from. */
export interface TaskText {
  prompt: string;
  /** one character for each entry of `sources` */
  completion: string;
  /** places in the prompt that decide a character */
  sources: readonly Sources[];
  /** places in the prompt whose next character is an answer as well */
  earlier?: readonly (Sources & { position: number })[];
}

/** One text to learn a task from: the completion is learnt. */
export interface PracticeText {
  prompt: string;
  completion: string;
}

/** A task whose answers come from known places, in texts that are drawn. */
export interface Task {
  /** lower case, hyphens */
  name: string;
  title: string;
  /** one sentence: what is asked, and where its answer lies */
  summary: string;
  cite: string;
  /** longest text: prompt and completion */
  length: number;
  draw(random: () => number): TaskText;
  /** a text to learn it from, where those of `draw` hold too few answers: shorter ones, with more of them; default: `draw` */
  practise?(random: () => number): PracticeText;
}

export const letters = 'abcdefghijklmnopqrstuvwxyz';
export const digits = '0123456789';
