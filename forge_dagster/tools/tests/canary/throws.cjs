// Whether an assertion throws.
"use strict";

module.exports = (attempt) => {
  try {
    attempt();
    return false;
  } catch {
    return true;
  }
};
