// SPDX-License-Identifier: Apache-2.0
// The thread that owns the SQLite file: carries out jobs in order, deletes what expires, and tells
// its watches of every change, whichever process made it. Sleeps when there is nothing to do.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log_once.h"
#include "core/registry.h"
#include "loop/loop.h"
#include "registry/sqlite/folder_watch.h"
#include "registry/sqlite/lease_file.h"

namespace flannel {

// A watch as the worker has it. The listener is owned by the watch's handle on the loop thread and
// called there: once the handle is gone, what was posted finds nobody.
struct SqliteWatcher {
  std::string prefix;
  Revision from = 0;
  std::string file_id;  // of the file in which `from` is a place; empty: not known
  std::shared_ptr<Poster> poster;
  std::weak_ptr<WatchListener> listener;
};

class SqliteWorker {
 public:
  // On the worker thread, with the open file or why there is none.
  using Job = std::function<void(Result<LeaseFile*> file)>;

  static Result<std::unique_ptr<SqliteWorker>> start(std::string path);
  // Finishes the job under way, if it does not wait for a lock; the others are dropped.
  ~SqliteWorker();
  SqliteWorker(const SqliteWorker&) = delete;
  SqliteWorker& operator=(const SqliteWorker&) = delete;

  void run(Job job);
  std::uint64_t watch(SqliteWatcher watcher);
  void end_watch(std::uint64_t token);

 private:
  using Task = std::function<void()>;

  SqliteWorker(std::string path, Fd wake, Fd timer)
      : path_(std::move(path)), wake_(std::move(wake)), timer_(std::move(timer)) {}
  void submit(Task task);

  // ---- on the worker thread ----
  void work();
  void wait();
  void arm_timer();
  Result<LeaseFile*> file();
  void close_file(const Error& reason);
  bool patient() const;
  void expire();
  void tell_watches();
  // False: the watch has ended.
  Result<bool> tell(SqliteWatcher& watcher, Revision now);
  bool run_next_task();
  void start_watch(std::uint64_t token, SqliteWatcher watcher);
  void share_own_changes();

  const std::string path_;
  Fd wake_, timer_;
  std::mutex mutex_;
  std::deque<Task> tasks_;  // with the mutex
  std::atomic<bool> stop_{false};
  std::uint64_t next_token_ = 1;  // loop thread

  std::optional<LeaseFile> file_;
  Fd lost_log_;                        // of a file that moved from under us
  std::optional<FolderWatch> folder_;  // nothing: inotify is used up, so look every second
  std::map<std::uint64_t, SqliteWatcher> watches_;
  std::int64_t shared_changes_ = 0;
  std::vector<TimePoint> looks_;  // when to look again after a hint, latest first
  TimePoint patient_until_;
  TimePoint expire_again_ = kNever;  // when to try it again, after a failure
  LogOnce expire_failures_;

  std::thread thread_;
};

}  // namespace flannel
