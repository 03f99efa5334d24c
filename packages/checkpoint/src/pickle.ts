import { ContentError } from './file-reading.js';

/** A name that a pickle imports: `torch.FloatStorage`. */
export class Global {
  constructor(readonly name: string) {}
}

/** A Python tuple; lists are arrays. */
export class Tuple {
  constructor(readonly items: readonly Value[]) {}
}

/** A Python value. Dictionaries are maps, whole numbers beyond 2⁵³ bigints; what else a pickle makes is an object of its maker. */
export type Value = string | number | bigint | boolean | null | Uint8Array | Value[] | Map<Value, Value> | Tuple | Global | object;

/** What a pickle may name and make. Everything else is refused by name: nothing of a pickle is ever run. */
export interface Makers {
  /** by the name that a pickle calls, what it makes of the arguments */
  calls: Readonly<Record<string, (args: readonly Value[]) => Value>>;
  /** names that may be imported without being called: element types and the like */
  names: (name: string) => boolean;
  /** an object that the pickle refers to by an id of its own */
  persistent: (id: Value) => Value;
}

/** A pickle that ends beyond the bytes at hand. */
export class PickleGoesOn extends ContentError {}

/** Bytes of pickles, read from the front. */
export class Cursor {
  at = 0;
  readonly #view: DataView;
  constructor(
    readonly bytes: Uint8Array,
    /** whether the file goes on after these bytes */
    readonly more = false,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  take(count: number): Uint8Array {
    if (!(count >= 0) || count > this.bytes.length - this.at) {
      if (this.more) throw new PickleGoesOn(`its pickles are longer than ${this.bytes.length} bytes, the most that is read`);
      throw new ContentError(`it ends inside a pickle, at byte ${this.at}, where ${count} bytes are due; it is truncated or damaged`);
    }
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }
  u8(): number {
    return this.take(1)[0]!;
  }
  u16(): number {
    this.take(2);
    return this.#view.getUint16(this.at - 2, true);
  }
  u32(): number {
    this.take(4);
    return this.#view.getUint32(this.at - 4, true);
  }
  i32(): number {
    this.take(4);
    return this.#view.getInt32(this.at - 4, true);
  }
  u64(): number {
    this.take(8);
    const value = this.#view.getBigUint64(this.at - 8, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new ContentError(`a pickle claims ${value} bytes at byte ${this.at - 8}; it is damaged`);
    return Number(value);
  }
  f64(): number {
    this.take(8);
    return this.#view.getFloat64(this.at - 8, false);
  }
  line(): string {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0) this.take(Infinity);
    const text = latin1(this.take(end - this.at));
    this.at++;
    return text;
  }
}

/** Instructions that one pickle may have: 40 or so make a tensor. What they leave in memory stays far below a GiB. */
const mostInstructions = 4_000_000;

/** A value of a pickle for an error message: a text, a number, or what kind of thing it is; never more than a line. */
export function show(value: Value | undefined): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (value instanceof Global) return shortened(value.name);
  if (value === null || typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Tuple) return `a tuple of ${value.items.length}`;
  return value instanceof Map ? 'a dictionary' : 'an object';
}

const shortened = (name: string): string => (name.length > 80 ? `${name.slice(0, 80)}…` : name);
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const utf8 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const mark = Symbol('mark');

/** The text of protocol 0's UNICODE: Latin-1, all else as \uXXXX or \UXXXXXXXX. */
const unescaped = (line: string): string =>
  line.replace(/\\u([0-9a-f]{4})|\\U00(0[0-9a-f]{5}|10[0-9a-f]{4})/gi, (_, short: string | undefined, long: string) =>
    String.fromCodePoint(Number.parseInt(short ?? long, 16)),
  );

/** A little-endian two's complement number of any length. */
function longOf(bytes: Uint8Array): number | bigint {
  if (bytes.length > 64) throw new ContentError(`a pickle holds a number of ${bytes.length} bytes; it is damaged`);
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  const signed = BigInt.asIntN(8 * bytes.length, value);
  return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
}

/**
 * Reads one pickle, protocols 0 to 5, up to its end. It executes nothing: a pickle that imports or calls anything that `makers`
 * does not know is refused, naming it.
 * @throws ContentError
 */
export function readPickle(cursor: Cursor, makers: Makers): Value {
  const stack: (Value | typeof mark)[] = [];
  const memo = new Map<number, Value>();
  const damaged = (what: string): ContentError => new ContentError(`a pickle is damaged at byte ${cursor.at - 1}: ${what}`);
  const pop = (): Value => {
    const value = stack.pop();
    if (value === undefined || value === mark) throw damaged('its stack is empty');
    return value as Value;
  };
  const top = (): Value => {
    const value = stack.at(-1);
    if (value === undefined || value === mark) throw damaged('its stack is empty');
    return value as Value;
  };
  const popMark = (): Value[] => {
    const at = stack.lastIndexOf(mark);
    if (at < 0) throw damaged('a mark is missing');
    const items = stack.splice(at + 1) as Value[];
    stack.pop();
    return items;
  };
  const text = (value: Value): string => {
    if (typeof value !== 'string') throw damaged('a text is needed');
    return value;
  };
  const named = (module: string, name: string): Global => {
    const full = `${module}.${name}`;
    if (!Object.hasOwn(makers.calls, full) && !makers.names(full))
      throw new ContentError(
        `its pickle imports ${shortened(full)}, which could run anything; only tensors are read. Save the tensors alone, or as safetensors`,
      );
    return new Global(full);
  };
  const call = (callable: Value, args: Value): Value => {
    if (!(callable instanceof Global)) throw damaged(`it calls ${show(callable)}, which is no name`);
    if (!(args instanceof Tuple)) throw damaged(`the arguments of ${callable.name} are no tuple`);
    const make = Object.hasOwn(makers.calls, callable.name) ? makers.calls[callable.name] : undefined;
    if (!make) throw new ContentError(`its pickle calls ${callable.name}; only tensors are read`);
    return make(args.items);
  };
  const list = (value: Value): Value[] => {
    if (!Array.isArray(value)) throw damaged('a list is needed');
    return value as Value[];
  };
  const setItems = (target: Value, items: readonly Value[]): void => {
    if (!(target instanceof Map) || items.length % 2 !== 0) throw damaged('a dictionary and pairs are needed');
    for (let i = 0; i < items.length; i += 2) {
      if (target.has(items[i]!))
        throw new ContentError(`${show(items[i])} stands twice in a dictionary of its pickle; each name must be its own`);
      target.set(items[i]!, items[i + 1]!);
    }
  };
  const recall = (index: number): Value => {
    const value = memo.get(index);
    if (value === undefined) throw damaged(`there is no memo ${index}`);
    return value;
  };

  const instructions: Record<number, () => void> = {
    0x80: () => {
      const protocol = cursor.u8();
      if (protocol > 5) throw damaged(`protocol ${protocol}; 0 to 5 are known`);
    },
    0x95: () => void cursor.take(8), //                                                             FRAME: a length
    0x28: () => stack.push(mark),
    0x30: () => void (stack.at(-1) === mark ? stack.pop() : pop()),
    0x31: () => void popMark(),
    0x32: () => stack.push(top()),
    0x4e: () => stack.push(null),
    0x88: () => stack.push(true),
    0x89: () => stack.push(false),
    0x49: () => {
      const line = cursor.line(); //                                                                INT, or a boolean
      stack.push(line === '01' ? true : line === '00' ? false : wholeNumber(line));
    },
    0x4c: () => stack.push(wholeNumber(cursor.line().replace(/L$/, ''))),
    0x4a: () => stack.push(cursor.i32()),
    0x4b: () => stack.push(cursor.u8()),
    0x4d: () => stack.push(cursor.u16()),
    0x8a: () => stack.push(longOf(cursor.take(cursor.u8()))),
    0x8b: () => stack.push(longOf(cursor.take(cursor.u32()))),
    0x46: () => stack.push(Number(cursor.line())),
    0x47: () => stack.push(cursor.f64()),
    0x53: () => stack.push(cursor.line().replace(/^(['"])(.*)\1$/s, '$2')),
    0x54: () => stack.push(latin1(cursor.take(cursor.u32()))),
    0x55: () => stack.push(latin1(cursor.take(cursor.u8()))),
    0x56: () => stack.push(unescaped(cursor.line())),
    0x58: () => stack.push(utf8(cursor.take(cursor.u32()))),
    0x8c: () => stack.push(utf8(cursor.take(cursor.u8()))),
    0x8d: () => stack.push(utf8(cursor.take(cursor.u64()))),
    0x42: () => stack.push(cursor.take(cursor.u32())),
    0x43: () => stack.push(cursor.take(cursor.u8())),
    0x8e: () => stack.push(cursor.take(cursor.u64())),
    0x5d: () => stack.push([]),
    0x6c: () => stack.push(popMark()),
    0x61: () => {
      const item = pop();
      list(top()).push(item);
    },
    0x65: () => {
      const items = popMark();
      const target = list(top());
      for (const item of items) target.push(item);
    },
    0x29: () => stack.push(new Tuple([])),
    0x74: () => stack.push(new Tuple(popMark())),
    0x85: () => stack.push(new Tuple([pop()])),
    0x86: () => {
      const b = pop();
      stack.push(new Tuple([pop(), b]));
    },
    0x87: () => {
      const [c, b] = [pop(), pop()];
      stack.push(new Tuple([pop(), b, c]));
    },
    0x7d: () => stack.push(new Map()),
    0x64: () => {
      const items = popMark();
      stack.push(new Map());
      setItems(top(), items);
    },
    0x73: () => {
      const [value, key] = [pop(), pop()];
      setItems(top(), [key, value]);
    },
    0x75: () => {
      const items = popMark();
      setItems(top(), items);
    },
    0x63: () => stack.push(named(cursor.line(), cursor.line())),
    0x69: () => {
      const { name } = named(cursor.line(), cursor.line());
      throw new ContentError(`its pickle makes an object of ${name}; only tensors are read`);
    },
    0x93: () => {
      const name = text(pop());
      stack.push(named(text(pop()), name));
    },
    0x52: () => {
      const args = pop();
      stack.push(call(pop(), args));
    },
    0x62: () => {
      // BUILD: attributes of an ordered dictionary (the versions that torch notes there) are of no use here
      pop();
      if (!(top() instanceof Map)) throw new ContentError('its pickle sets the state of an object; only tensors are read');
    },
    0x51: () => stack.push(makers.persistent(pop())),
    0x68: () => stack.push(recall(cursor.u8())),
    0x6a: () => stack.push(recall(cursor.u32())),
    0x67: () => stack.push(recall(Number(cursor.line()))),
    0x71: () => void memo.set(cursor.u8(), top()),
    0x72: () => void memo.set(cursor.u32(), top()),
    0x70: () => void memo.set(Number(cursor.line()), top()),
    0x94: () => void memo.set(memo.size, top()),
  };
  for (let count = 0; ; count++) {
    if (count >= mostInstructions)
      throw new ContentError(`a pickle has more than ${mostInstructions} instructions, the most that are read; save the weights alone`);
    const code = cursor.u8();
    if (code === 0x2e) return pop();
    const instruction = instructions[code];
    if (!instruction) throw damaged(`instruction 0x${code.toString(16).padStart(2, '0')} is not one that tensors need`);
    instruction();
  }
}

function wholeNumber(text: string): number | bigint {
  if (!/^[+-]?\d{1,100}$/.test(text))
    throw new ContentError(`a pickle holds ${JSON.stringify(text.slice(0, 40))} where a whole number is due`);
  const value = BigInt(text);
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
