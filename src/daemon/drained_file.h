// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/fd.h"
#include "core/drain_note.h"
#include "loop/loop.h"
#include "loop/timer.h"

namespace flannel {

// Follows the file `drained` in the state folder: while it exists, this host is drained. A file
// that cannot be read counts, too. Loop thread only.
class DrainedFile {
 public:
  // A folder that cannot be watched is looked at so often: it is missing, or the limit of inotify
  // instances is used up.
  static constexpr std::chrono::seconds kPoll{2};

  // `loop` must outlive this object. `on_change` is called with the new note(), in a later turn.
  DrainedFile(Loop& loop, const std::string& folder,
              std::function<void(const std::optional<DrainNote>&)> on_change);
  DrainedFile(const DrainedFile&) = delete;
  DrainedFile& operator=(const DrainedFile&) = delete;

  // nullopt: this host is not drained.
  const std::optional<DrainNote>& note() const { return note_; }

 private:
  std::optional<DrainNote> read() const;
  void look();
  void watch();
  void take_events();

  Loop& loop_;
  const std::string folder_;
  std::function<void(const std::optional<DrainNote>&)> on_change_;
  Fd inotify_;  // empty: the folder is not watched
  SubscriptionPtr events_;
  std::optional<DrainNote> note_;
  Timer poll_{loop_, [this] { look(); }};
};

}  // namespace flannel
