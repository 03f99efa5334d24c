import { testExplainer } from '@hidden-attention/explain/conformance';
import { valueWeighted } from 'value-weighted-attention';

testExplainer(valueWeighted);
