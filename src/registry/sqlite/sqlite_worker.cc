// SPDX-License-Identifier: Apache-2.0
#include "registry/sqlite/sqlite_worker.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "registry/watch_posts.h"

namespace flannel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kPatience{5};  // for a lock that another process holds
constexpr seconds kPatienceToExpire{1};
constexpr seconds kLookWithoutInotify{1};
constexpr seconds kExpireAgain{5};  // after a failure
constexpr int kHistoryPage = 500;

}  // namespace

Result<std::unique_ptr<SqliteWorker>> SqliteWorker::start(std::string path) {
  Fd wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!wake) return os_error("create eventfd");
  Fd timer{::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK)};
  if (!timer) return os_error("create timerfd");
  std::unique_ptr<SqliteWorker> worker(
      new SqliteWorker(std::move(path), std::move(wake), std::move(timer)));
  worker->thread_ = std::thread([raw = worker.get()] { raw->work(); });
  return worker;
}

SqliteWorker::~SqliteWorker() {
  stop_ = true;
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

void SqliteWorker::run(Job job) {
  submit([this, job = std::move(job)]() mutable {
    const Result<LeaseFile*> open = file();
    if (open) expire();  // records that expired while no process ran must not be read
    patient_until_ = BootClock::now() + kPatience;
    job(open);
  });
}

std::uint64_t SqliteWorker::watch(SqliteWatcher watcher) {
  const std::uint64_t token = next_token_++;
  submit([this, token, watcher = std::move(watcher)]() mutable {
    start_watch(token, std::move(watcher));
  });
  return token;
}

void SqliteWorker::end_watch(std::uint64_t token) {
  submit([this, token] { watches_.erase(token); });
}

void SqliteWorker::submit(Task task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  ::eventfd_write(wake_.get(), 1);
}

void SqliteWorker::work() {
  while (!stop_) {
    wait();
    if (file_ && file_->moved()) {
      close_file({ErrorKind::unavailable, path_ + " was deleted or replaced"});
    }
    while (!stop_ && run_next_task()) {
    }
    if (!file_) continue;
    expire();
    share_own_changes();
    notify_watches();
  }
}

// Tasks that are left when the registry is destroyed are destroyed with it, on the loop thread.
bool SqliteWorker::run_next_task() {
  Task task;
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.empty()) return false;
    task = std::move(tasks_.front());
    tasks_.pop_front();
  }
  patient_until_ = BootClock::now() + kPatience;
  task();
  return true;
}

void SqliteWorker::wait() {
  arm_timer();
  TimePoint until = rereads_.empty() ? kNever : rereads_.back();
  if (file_) until = std::min(until, expire_again_);
  if (file_ && !folder_) until = std::min(until, BootClock::now() + kLookWithoutInotify);
  int timeout_ms = -1;
  if (until != kNever) {
    const auto left = std::chrono::ceil<milliseconds>(until - BootClock::now());
    timeout_ms = static_cast<int>(std::max<std::int64_t>(0, left.count()));
  }
  pollfd fds[] = {{wake_.get(), POLLIN, 0},
                  {timer_.get(), POLLIN, 0},
                  {folder_ ? folder_->fd() : -1, POLLIN, 0}};
  ::poll(fds, 3, timeout_ms);
  std::uint64_t ignored = 0;
  // Reading the timer fails if the clock was set, which is a reason to check for expiry as well.
  for (const Fd* fd : {&wake_, &timer_})
    (void)!::read(fd->get(), &ignored, sizeof ignored);
  const TimePoint now = BootClock::now();
  if (folder_ && folder_->take()) rereads_ = {now + milliseconds(200), now + milliseconds(20)};
  while (!rereads_.empty() && rereads_.back() <= now)
    rereads_.pop_back();
}

void SqliteWorker::arm_timer() {
  itimerspec spec{};
  // After a failure the next expiry is in the past, and a timer for it would expire at once.
  if (file_ && expire_again_ == kNever) {
    const auto next = file_->next_expiry();
    if (next && *next) {
      const auto since_epoch = (*next)->time_since_epoch();
      const auto whole = std::chrono::floor<seconds>(since_epoch);
      spec.it_value.tv_sec = whole.count();
      spec.it_value.tv_nsec = std::chrono::nanoseconds(since_epoch - whole).count();
    }
  }
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, nullptr);
}

Result<LeaseFile*> SqliteWorker::file() {
  if (file_ && file_->moved()) {
    close_file({ErrorKind::unavailable, path_ + " was deleted or replaced"});
  }
  if (!file_) {
    auto opened = LeaseFile::open(
        path_, [this] { return patient(); }, lost_log_);
    if (!opened) return Failure(std::move(opened.error()).during("open " + path_));
    file_ = *std::move(opened);
    lost_log_.reset();
    shared_changes_ = 0;
    folder_.reset();
    auto folder = FolderWatch::open(path_);
    if (folder) {
      folder_ = *std::move(folder);
    } else {
      log::warning("changes of the store by others are seen a second late",
                   {{"path", path_}, {"reason", folder.error().text}});
    }
  }
  return &*file_;
}

void SqliteWorker::close_file(const Error& reason) {
  lost_log_ = file_->take_log();
  file_.reset();
  folder_.reset();
  for (const auto& [token, watcher] : std::exchange(watches_, {})) {
    post_disconnected(*watcher.poster, watcher.listener, reason);
  }
}

bool SqliteWorker::patient() const {
  if (stop_ || BootClock::now() > patient_until_) return false;
  ::poll(nullptr, 0, 5);
  return true;
}

void SqliteWorker::expire() {
  const TimePoint now = BootClock::now();
  const bool failed_before = expire_again_ != kNever;
  if (failed_before && now < expire_again_) return;
  expire_again_ = kNever;
  // A lock that was not released once may last long, and calls would wait behind this one.
  patient_until_ = failed_before ? now : now + kPatienceToExpire;
  const auto expired = file_->expire(wall_now());
  if (expired) return expire_failures_.clear();
  expire_again_ = BootClock::now() + kExpireAgain;
  if (!expire_failures_.first_time(expired.error().text)) return;
  log::warning("expired records cannot be deleted",
               {{"path", path_}, {"reason", expired.error().text}});
}

void SqliteWorker::share_own_changes() {
  if (file_->change_count() == shared_changes_) return;
  shared_changes_ = file_->change_count();
  notify_other_processes(path_);
}

void SqliteWorker::start_watch(std::uint64_t token, SqliteWatcher watcher) {
  const Result<LeaseFile*> open = file();
  if (!open) return post_disconnected(*watcher.poster, watcher.listener, open.error());
  const Result<bool> known = (*open)->remembers(watcher.from);
  if (!known) return post_disconnected(*watcher.poster, watcher.listener, known.error());
  const bool same_file = watcher.file_id.empty() || watcher.file_id == (*open)->id();
  if (!*known || !same_file) return post_position_lost(*watcher.poster, watcher.listener);
  watches_.emplace(token, std::move(watcher));
}

void SqliteWorker::notify_watches() {
  if (watches_.empty()) return;
  const Result<Revision> now = file_->revision();
  if (!now) return close_file(now.error());
  for (auto it = watches_.begin(); it != watches_.end();) {
    const auto notified = notify(it->second, *now);
    if (!notified) post_disconnected(*it->second.poster, it->second.listener, notified.error());
    it = notified && *notified ? std::next(it) : watches_.erase(it);
  }
}

Result<bool> SqliteWorker::notify(SqliteWatcher& watcher, Revision now) {
  while (watcher.from < now) {
    if (!TRY(file_->remembers(watcher.from))) {
      post_position_lost(*watcher.poster, watcher.listener);
      return false;
    }
    auto changes = TRY(file_->history(watcher.prefix, watcher.from, kHistoryPage));
    if (changes.empty()) watcher.from = now;
    for (auto& [revision, change] : changes) {
      watcher.from = revision;
      post_to_listener(*watcher.poster, watcher.listener,
                       [changed = std::vector{std::move(change)}, at = revision](
                           WatchListener& listener) { listener.on_changes(changed, at); });
    }
  }
  return true;
}

}  // namespace flannel
