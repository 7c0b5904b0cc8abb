import { layOut } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults } from './config.ts';

RED.nodes.registerType('keyway-est-events', {
  category: 'Keyway identity',
  color: '#A6BBCF',
  icon: 'keyway-est-events.svg',
  defaults: {
    name: { value: '' },
    est: { value: '', type: 'keyway-est', required: true },
    enrolled: { value: true },
    renewed: { value: true },
    refused: { value: true },
    namespace: { value: '' },
    version: { value: 1 },
  },
  inputs: 0,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-est-events.palette');
  },
  label: function () {
    return labelFor(this, this._('keyway-est-events.words'));
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-est-events.output.event');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    $('#node-input-namespace').attr('placeholder', this._('keyway-est-events.placeholder.namespace'));
    layOut(this._('keyway.label.options'));
  },
});
