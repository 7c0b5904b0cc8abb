/** How near the provisioner comes to what the wire and the readers allow, on a bus that runs at the true rate. */
import { batch, reattach } from './bench/provisioner-batch.ts';
import { stepRatio } from './bench/provisioner-step.ts';
import { atMost, type Row, reported } from './bench/report.ts';

/** The most readers that a slot holds. */
const READERS = 126;

export async function measure(): Promise<Row[]> {
  const steps = [
    atMost('step_9600', await best(() => stepRatio(9600)), 'ratio', 1.1, 'computed limit'),
    atMost('step_115200', await best(() => stepRatio(115200)), 'ratio', 1.25, 'computed limit'),
  ];
  const { ratio, grownMiB } = await batch(READERS, 9600);
  return [
    ...steps,
    atMost('batch_126', ratio, 'ratio', 1.12, 'computed limit'),
    reported('batch_126_memory', grownMiB, 'MiB', 'after the first eighth'),
    atMost('reattach_126', await reattach(READERS), 's', 1, null),
  ];
}

/** The best of five: what other programs take of the processor meanwhile is no property of the provisioner. */
async function best(measure: () => Promise<number>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) least = Math.min(least, await measure());
  return least;
}
