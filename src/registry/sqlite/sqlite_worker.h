// SPDX-License-Identifier: Apache-2.0
// The thread that owns the SQLite file. It runs jobs in order, deletes expired records, and
// notifies its watches of every change, whichever process made it. It sleeps while it has no work.
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

// A watch of the worker. The handle of the watch owns the listener on the loop thread, and the
// listener is called there. After the handle has been destroyed, posted calls have no effect.
struct SqliteWatcher {
  std::string prefix;
  Revision from = 0;
  std::string file_id;  // of the file to which `from` belongs; empty: not known
  std::shared_ptr<Poster> poster;
  std::weak_ptr<WatchListener> listener;
};

class SqliteWorker {
 public:
  // Called on the worker thread with the open file, or with the reason why it could not be opened.
  using Job = std::function<void(Result<LeaseFile*> file)>;

  static Result<std::unique_ptr<SqliteWorker>> start(std::string path);
  // Finishes the job under way unless it waits for a lock, and drops all others.
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
  void notify_watches();
  // False: the watch has ended.
  Result<bool> notify(SqliteWatcher& watcher, Revision now);
  bool run_next_task();
  void start_watch(std::uint64_t token, SqliteWatcher watcher);
  void share_own_changes();

  const std::string path_;
  Fd wake_, timer_;
  std::mutex mutex_;
  std::deque<Task> tasks_;  // guarded by mutex_
  std::atomic<bool> stop_{false};
  std::uint64_t next_token_ = 1;  // used on the loop thread

  std::optional<LeaseFile> file_;
  Fd lost_log_;                        // of a file that was moved or deleted
  std::optional<FolderWatch> folder_;  // nullopt: no inotify instance, so poll every second
  std::map<std::uint64_t, SqliteWatcher> watches_;
  std::int64_t shared_changes_ = 0;
  std::vector<TimePoint> rereads_;  // when to read again after an event of folder_, latest first
  TimePoint patient_until_;
  TimePoint expire_again_ = kNever;  // when to retry expire() after a failure
  LogOnce expire_failures_;

  std::thread thread_;
};

}  // namespace flannel
