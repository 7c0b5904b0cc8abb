import { choices, fillSelect, layOut, NUMBER, showFor, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, migrations, onlys } from './config.ts';

RED.nodes.registerType('keyway-ports', {
  category: 'Keyway chips',
  color: '#E2D96E',
  icon: 'keyway-ports.svg',
  defaults: {
    name: { value: '' },
    only: { value: 'all' },
    pool: { value: '', type: 'keyway-port-pool', required: false },
    watch: { value: true },
    match: { value: '' },
    matchType: { value: 'str' },
    timeout: { value: '' },
    timeoutType: { value: 'num' },
    version: { value: 2 },
  },
  inputs: 1,
  outputs: 3,
  paletteLabel: function () {
    return this._('keyway-ports.palette');
  },
  label: function () {
    return labelFor(this, this._('keyway-ports.words'));
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function (index) {
    return this._(`keyway-ports.output.${['list', 'plugged', 'unplugged'][index]}`);
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults, migrations));
    const only = fillSelect('#node-input-only', choices(this, 'keyway-ports.only', [...onlys]), this.only);
    showFor(only, [...onlys], () => String(only.val()));
    typed('match', TEXT, this._('keyway-ports.placeholder.match'));
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
