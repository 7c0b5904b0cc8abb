import { choices, chosenIn, layOut, NUMBER, oneOf, showFor, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, nameOf, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { actions, defaults, directions } from './config.ts';

RED.nodes.registerType('keyway-readers-bench', {
  category: 'Keyway bench',
  color: '#D8BFD8',
  icon: 'keyway-readers-bench.svg',
  defaults: {
    name: { value: '' },
    readers: { value: '', type: 'keyway-virtual-readers', required: true },
    action: { value: 'card' },
    actionType: { value: 'op' },
    address: { value: 'reader.address' },
    addressType: { value: 'msg' },
    card: { value: '17:4711' },
    cardType: { value: 'str' },
    bits: { value: '' },
    bitsType: { value: 'num' },
    keys: { value: '1234#' },
    keysType: { value: 'str' },
    times: { value: '1' },
    timesType: { value: 'num' },
    direction: { value: 'reply' },
    directionType: { value: 'op' },
    timeout: { value: '' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-readers-bench.palette');
  },
  label: function () {
    const { action, actionType } = { ...defaults, ...this };
    const words = this._(actionType === 'op' ? `keyway-readers-bench.action.${action}` : 'keyway-readers-bench.words');
    const readers = typeof this.readers === 'string' ? RED.nodes.node(this.readers) : undefined;
    return labelFor(this, readers ? `${words} @ ${nameOf(readers)}` : words);
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-readers-bench.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const action = typed('action', oneOf(choices(this, 'keyway-readers-bench.action', [...actions])));
    showFor(action, [...actions, 'elsewhere'], () => chosenIn(action));
    typed('address', NUMBER, this._('keyway-readers-bench.placeholder.address'));
    typed('card', TEXT);
    typed('bits', NUMBER, this._('keyway-readers-bench.placeholder.bits'));
    typed('keys', TEXT);
    typed('times', NUMBER);
    typed('direction', oneOf(choices(this, 'keyway-readers-bench.direction', [...directions])));
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
