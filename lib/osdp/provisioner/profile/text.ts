import { checkProfile } from './check.ts';
import { fail } from './errors.ts';
import { isObject } from './fields.ts';
import { type CheckedProfile, PROFILE_KIND, PROFILE_TEXT_MOST, PROFILE_VERSION } from './types.ts';

/**
 * Reads the JSON of a profile, as docs/provisioning-profile.md says it. `kind` and `version` must be there.
 * @throws BAD_PROFILE, BAD_PROFILE_FIELD, PROFILE_TOO_NEW
 */
export function parseProfile(json: string): CheckedProfile {
  if (json.length > PROFILE_TEXT_MOST) {
    throw fail(
      'BAD_PROFILE',
      `The text has ${json.length} characters; a profile has ${PROFILE_TEXT_MOST} at the most.`,
      {
        detail: { field: 'profile', value: json.length },
      },
    );
  }
  const input = parse(json);
  if (!isObject(input) || input.kind !== PROFILE_KIND || input.version === undefined) {
    throw fail('BAD_PROFILE', 'The text is JSON, but no provisioning profile.', {
      hint: `It must be an object with "kind": "${PROFILE_KIND}" and "version": ${PROFILE_VERSION}.`,
      detail: { field: 'kind' },
    });
  }
  return checkProfile(input);
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json.replace(/^\uFEFF/, ''));
  } catch {
    // The parser's own words would quote the text, which may be a file that was taken by mistake.
    throw fail('BAD_PROFILE', 'The text is no JSON.', {
      hint: 'Take the file that a plan was exported to, or write one as the documentation shows.',
      detail: { field: 'profile' },
    });
  }
}

/**
 * A profile as JSON, to be kept or passed on; ends in a line end. Holds no secret: what no profile has is refused.
 * @throws BAD_PROFILE, BAD_PROFILE_FIELD, PROFILE_TOO_NEW
 */
export function formatProfile(input: unknown): string {
  const { count, startAddress, addresses, serials, kind, version, name, strategy, ...rest } =
    checkProfile(input).profile;
  const place = strategy === 'manual' ? { addresses } : { startAddress };
  const wanted = serials.length === 0 ? {} : { serials };
  return `${JSON.stringify({ kind, version, name, count, strategy, ...place, ...rest, ...wanted }, null, 2)}\n`;
}
