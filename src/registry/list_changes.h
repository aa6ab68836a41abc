// SPDX-License-Identifier: Apache-2.0
// Makes the changes of a watch out of whole lists, for stores that keep no history.
#pragma once

#include <string>
#include <vector>

#include "core/store_feed.h"

namespace flannel {

struct ListChanges {
  // First what was written, in the order of the revisions; then what is gone, at the revision of
  // the later list, because a list does not say when something was deleted.
  std::vector<Change> changes;
  std::vector<std::string> gone;  // keys of the records among them
  bool config_gone = false;
  // True if something was written at a revision that is not later than that of the list before.
  // That happens only if the store was restored from a backup or is another one.
  bool from_the_past = false;

  bool lost_something() const { return config_gone || !gone.empty(); }
};

// Returns what has changed from one list to a later one of the same feed, so that their revisions
// may be ordered. Both lists are sorted by key. Time is linear in them, but for the sorting of the
// changes.
ListChanges changes_between(const Snapshot& before, const Snapshot& after);

}  // namespace flannel
