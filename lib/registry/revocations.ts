/**
 * One thing that must stay undone, as the revocation log beside the store keeps it. `until` is the time from which
 * nobody can use it anyway (null: never).
 */
export type RevocationLine =
  | {
      readonly k: 'certificate';
      readonly id: string;
      readonly reason: number;
      readonly at: number;
      readonly until: number;
    }
  | { readonly k: 'superseded'; readonly id: string; readonly at: number; readonly until: number }
  | { readonly k: 'token'; readonly id: string; readonly at: number; readonly until: number | null }
  | { readonly k: 'code'; readonly id: string; readonly at: number; readonly until: number }
  | { readonly k: 'ticket'; readonly id: string; readonly at: number; readonly until: number }
  | { readonly k: 'credential'; readonly id: string; readonly at: number; readonly until: null }
  | {
      readonly k: 'device';
      readonly id: string;
      readonly state: 'revoked' | 'retired' | 'removed' | 'back';
      readonly at: number;
      readonly until: null;
    }
  | { readonly k: 'crl'; readonly id: string; readonly number: number; readonly at: number; readonly until: null };
