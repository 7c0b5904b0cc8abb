import { layOut } from '../../editor/shared/form.ts';
import { nameOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { serviceTest } from '../../editor/shared/service-dialog.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults } from './config.ts';

RED.nodes.registerType('keyway-endpoint', {
  category: 'config',
  // A device needs it, not a node: one that no node points at is not left over.
  hasUsers: false,
  defaults: {
    name: { value: '' },
    authority: { value: '', type: 'keyway-authority', required: true },
    host: { value: '127.0.0.1' },
    port: { value: '8883' },
    names: { value: '' },
    cadence: { value: '60' },
    cutAtExpiry: { value: true },
    cutNow: { value: false },
    topicPrefix: { value: '' },
    version: { value: 1 },
  },
  paletteLabel: function () {
    return this._('keyway-endpoint.palette');
  },
  label: function () {
    const authority = RED.nodes.node(String(this.authority ?? ''));
    return String(
      this.name || `${authority ? `${nameOf(authority)} ` : ''}${this.host || '127.0.0.1'}:${this.port || '8883'}`,
    );
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    $('#node-config-input-host').attr('placeholder', '127.0.0.1');
    $('#node-config-input-port').attr('placeholder', '8883');
    $('#node-config-input-cadence').attr('placeholder', '60');
    $('#node-config-input-names').attr('placeholder', this._('keyway.placeholder.none'));
    $('#node-config-input-topicPrefix').attr('placeholder', '{namespace}/{mac}/');
    serviceTest(this, 'keyway-endpoint', 'keyway/endpoint/status');
    layOut(this._('keyway.label.options'));
  },
});
