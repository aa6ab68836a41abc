// SPDX-License-Identifier: Apache-2.0
// The rows of --publish-health (core/health_row.h): writes that of this host into the store, and
// reads those of all hosts while a client asks for them.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/backoff.h"
#include "base/problem.h"
#include "core/health_row.h"
#include "core/registry.h"
#include "loop/loop.h"
#include "loop/timer.h"

namespace flannel {

// Loop thread only.
class HealthRows {
 public:
  // A row leaves the store by itself after so long, and one that did not change for so long does
  // not count.
  static constexpr std::chrono::seconds kLife{180};
  static constexpr std::chrono::seconds kEvery{60};
  // Between two writes, also if a state has changed and also if they fail.
  static constexpr std::chrono::seconds kRest{20};
  static constexpr std::chrono::seconds kReadEvery{10};
  // A request is answered with rows that are no older.
  static constexpr std::chrono::seconds kFresh{5};

  struct Own {
    SubnetKey subnet;  // of our lease
    HealthRow row;     // the serial is set here
  };
  struct Parts {
    Loop& loop;  // must outlive this object
    Random random;
    // The place of the rows: when it changes, they are in another store.
    std::function<std::string()> place;
    std::function<Result<std::unique_ptr<Registry>>()> open;
    // What this host sees now; nullopt: it has no lease, or does not probe.
    std::function<std::optional<Own>()> own;
    // The node id in the lease with these subnets; nullopt: there is no such lease, or no id.
    std::function<std::optional<NodeId>(const SubnetKey&)> holder;
    std::function<void()> on_state;  // problems() has changed
  };

  explicit HealthRows(Parts parts);

  // Parts::own may return another row.
  void changed();
  // A client looks at seen(), and will look again soon: it is read again if it is old.
  void look();
  // Reads all rows, unless that was just done, and calls `done` when seen() has them, or why they
  // could not be read.
  void read(std::function<void()> done);
  // True if the store has no row of this host, as far as is known.
  bool is_withdrawn() const { return !held_ && !is_writing_; }
  // What was read last, without rows that have become too old. Never null.
  const std::shared_ptr<const SeenRows>& seen() const { return seen_; }
  std::vector<Problem> problems() const;

 private:
  struct FirstSeen {
    Revision revision = 0;
    TimePoint at{};
  };

  Result<void> open();
  void tick();
  void arm(TimePoint when);
  void write(const Own& own);
  void adopt(const Own& own);
  void withdraw();
  void finish(Result<WriteResult> written, const Own& own, const std::string& value);
  void fail_with(const Error& error);
  void list();
  void on_list(const Result<Snapshot>& list);
  std::optional<SeenRow> row_in(const Record& record, TimePoint seen) const;
  void drop_old();

  Parts parts_;
  std::string place_;                   // of registry_
  std::unique_ptr<Registry> registry_;  // null: not open yet
  std::uint64_t serial_ = 0;
  bool is_writing_ = false;
  std::optional<TimePoint> tried_;  // when the last write began
  Duration period_ = kEvery;
  std::optional<Record> held_;  // our row in the store; nullopt: none that we know
  HealthRow written_;           // what it says
  int failures_ = 0;            // in a row
  std::string why_;             // the last write failed
  bool is_reading_ = false;
  std::optional<TimePoint> read_at_;
  std::vector<std::function<void()>> readers_;
  std::map<std::string, FirstSeen> first_;  // by key
  std::shared_ptr<const SeenRows> seen_ = std::make_shared<SeenRows>();
  Timer due_{parts_.loop, [this] { tick(); }};
};

}  // namespace flannel
