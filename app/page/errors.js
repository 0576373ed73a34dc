// Errors of requests, and what they mean for another attempt.

export const BUSY = "The service is busy. Trying again …";

// The detail says what to do; the status is 0 if there was no response.
export function refused(detail, status = 0, more = {}) {
  return Object.assign(new Error(detail), { detail, status, ...more });
}

export function isPassing({ status }) {
  return /^(0|408|429|5..)$/.test(status);
}

export function isBusy({ status }) {
  return status === 429 || status === 503;
}

export function said(error) {
  return error.detail ?? error.message;
}
