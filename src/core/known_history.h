// SPDX-License-Identifier: Apache-2.0
// The end of a store's history as this host knows it, and the proof that a store still has it.
//
// A store that was restored from a backup goes on under its old name, and may have grown past the
// revision at which a host stopped to follow it. A number therefore proves nothing. A watch that
// goes on begins before the last changes that the host knows: only a store that repeats them, each
// at its revision and with its content, has the history that the host knows, and what this watch
// reports next is what the host has missed.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/store_feed.h"

namespace flannel {

Revision revision_of(const Change& change);

// Makes the snapshot what it is after these changes, which follow it.
void apply(const std::vector<Change>& changes, Snapshot& snapshot);

// The changes of the last revisions that have some. None is missing between the first and the last,
// except after a list, which has no deletions and nothing that was written over: these come with
// the watch after it.
class KnownHistory {
 public:
  // More are a better proof, cost some 300 bytes each after a break, and are sooner compacted.
  static constexpr std::size_t kMostRevisions = 8;
  // One revision may have any number of changes. A history of more is not known.
  static constexpr std::size_t kMostChanges = 64;
  // In a store that was restored, a host may write its record once more and reach the revision that
  // the same write had before.
  static constexpr std::size_t kLeastProof = 2;

  void clear() { changes_.clear(); }
  // Begins with what was written at the last revisions of all that a list has. Revisions of one
  // list may be ordered.
  void begin(const Snapshot& listed);
  // Adds a change that a watch has reported. It replaces what a list said of the same change.
  // Changes from before the known history are left out.
  void add(const Change& change);
  // Forgets the older half of the revisions.
  void keep_last_half();

  bool empty() const { return changes_.empty(); }
  // True if these are enough changes to prove a history after a break.
  bool can_prove() const { return revisions() >= kLeastProof; }
  std::size_t revisions() const { return changes_.size(); }
  // A watch from here repeats all of it. Not for an empty one.
  Revision before() const { return changes_.begin()->first - 1; }
  std::vector<Change> changes() const;

 private:
  void trim();

  std::map<Revision, std::vector<Change>> changes_;
};

// What one watch proves. Every change that it reports goes through here.
class HistoryProof {
 public:
  enum class Verdict {
    open,    // not all known changes are repeated yet, or the list lacks what was written before it
    proven,  // all are, or there is nothing to prove
    refuted,  // the store has another history
  };

  // Nothing is to be proven, and no change is known.
  HistoryProof() = default;
  // For a watch from known.before() that follows a list of the revision `listed`: changes up to
  // then are known by the list, and later ones do not wait for the proof. What a list does not have
  // may have been written and deleted before it. It does not say how often a lease was renewed
  // either, so the expiry handles of what it has prove nothing.
  static HistoryProof after_list(const KnownHistory& known, Revision listed);
  // For a watch from known.before() that follows a broken watch.
  static HistoryProof after_break(const KnownHistory& known);

  // Takes the changes of one call, and returns those of them that the host does not know yet. After
  // a break they are held back until the proof.
  std::vector<Change> take(const std::vector<Change>& changes);

  // The watch after a list has had its time. What it has not repeated by then, for a reason that is
  // not known, it need not repeat.
  void stood();

  Verdict verdict() const;

 private:
  struct Known {
    Change change;
    bool repeated = false;
  };
  bool passes_over(const Change& change) const;
  bool repeats(const Change& change);
  void take_unknown(const Change& change);

  std::vector<Known> known_;
  Revision last_ = 0;    // the greatest revision of the known changes
  Revision listed_ = 0;  // 0: this is no watch after a list
  bool refuted_ = false;
  bool stood_ = false;
  std::vector<Change> held_;
  std::set<std::string> lacking_;  // keys of records that were written before the list, and are not
                                   // in it as they were written
};

}  // namespace flannel
