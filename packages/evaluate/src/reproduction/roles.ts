import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from '@hidden-attention/model/schema';
import { EvaluateError } from '../errors.js';
import { packageFolder } from '../folder.js';
import { findModel } from '../models.js';
import { resolvePath } from '../sweep/plan.js';

/** The folder of the reproduction's own files: sweeps, and what plays which part. */
export const ownFolder: string = fileURLToPath(new URL('reproduction', packageFolder));

const schema = () =>
  z.strictObject({
    models: z.record(z.string(), z.string()),
    data: z.record(z.string(), z.strictObject({ kind: z.string(), options: z.looseObject({ path: z.string() }) })),
  });

/** A data set by its role: a kind that sweeps know, with options; or `text`, a file of running text. */
export interface DataRole {
  kind: string;
  options: { path: string; [option: string]: unknown };
}

/** Which models and data sets play which part: the one place where rows get them from. */
export class Roles {
  private constructor(
    /** role → path, `zoo:NAME` or hub id */
    readonly models: Readonly<Record<string, string>>,
    readonly data: Readonly<Record<string, DataRole>>,
    /** where relative paths start */
    readonly folder: string,
  ) {}

  /**
   * Reads a file of roles; default: the one that comes with the package.
   * @throws EvaluateError where it cannot be read
   */
  static read(path: string = join(ownFolder, 'roles.json')): Roles {
    try {
      const { models, data } = schema().parse(JSON.parse(readFileSync(path, 'utf8')));
      return new Roles(models, data, dirname(path));
    } catch (error) {
      throw new EvaluateError(
        `the roles in ${path} cannot be used: ${(error as Error).message}; {"models": {ROLE: PATH}, "data": {ROLE: {"kind", "options"}}} is needed`,
      );
    }
  }

  /** The model of a role as sweeps name it, or why there is none. */
  findModel(role: string): string | { reason: string } {
    const named = this.models[role];
    if (named === undefined) return { reason: 'none was trained' };
    const path = resolvePath(named, this.folder);
    if (findModel(path) === 'path') return path;
    return findModel(named) ? named : { reason: `${named} is not there` };
  }

  /** The data set of a role, or why there is none. */
  findData(role: string): DataRole | { reason: string } {
    const named = this.data[role];
    if (!named) return { reason: 'no data set has that role' };
    if (existsSync(resolvePath(named.options.path, this.folder))) return named;
    return { reason: `${named.options.path} is not there; packages/zoo/recipes prepare it` };
  }
}
