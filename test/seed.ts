// Property tests draw the same cases every time; FC_SEED=N chooses others, FC_SEED=random new ones, which are printed.
import fc from 'fast-check';

const wanted = process.env.FC_SEED ?? '1';
const seed = wanted === 'random' ? Math.floor(Math.random() * 2 ** 31) : Number(wanted);
if (wanted === 'random') console.log(`FC_SEED=${seed}`);
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
