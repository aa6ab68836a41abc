// SPDX-License-Identifier: Apache-2.0
#include "daemon/drained_file.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/file.h"
#include "core/state_folder.h"

namespace flannel {
namespace {

constexpr std::size_t kLongest = 4096;

}  // namespace

DrainedFile::DrainedFile(Loop& loop, const std::string& folder,
                         std::function<void(const std::optional<DrainNote>&)> on_change)
    : loop_(loop), folder_(folder), on_change_(std::move(on_change)) {
  watch();
  note_ = read();
}

std::optional<DrainNote> DrainedFile::read() const {
  const auto text = read_file(folder_ + "/" + std::string(kDrainedFile), kLongest);
  if (text) return decode_drain_note(*text);
  if (text.error().kind == ErrorKind::not_found) return std::nullopt;
  return DrainNote();
}

// The watch begins before the file is read, so that no change is missed in between.
void DrainedFile::look() {
  if (!inotify_) watch();
  auto now = read();
  if (now == note_) return;
  note_ = std::move(now);
  on_change_(note_);
}

void DrainedFile::watch() {
  inotify_ = Fd{::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
  const std::uint32_t kinds = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                              IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
  const bool watched = inotify_ && ::inotify_add_watch(inotify_.get(), folder_.c_str(), kinds) >= 0;
  auto events =
      watched ? loop_.watch_fd(inotify_.get(), EPOLLIN, [this](std::uint32_t) { take_events(); })
              : Result<SubscriptionPtr>(fail(ErrorKind::unavailable, "not watched"));
  if (events) {
    events_ = *std::move(events);
    return;
  }
  inotify_ = Fd();
  poll_.arm_after(kPoll);
}

void DrainedFile::take_events() {
  alignas(inotify_event) char buffer[4096];
  bool folder_went = false;
  for (ssize_t got = 0; (got = ::read(inotify_.get(), buffer, sizeof buffer)) > 0;) {
    for (ssize_t at = 0; at < got;) {
      inotify_event event{};
      std::memcpy(&event, buffer + at, sizeof event);
      at += static_cast<ssize_t>(sizeof event + event.len);
      folder_went |= (event.mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) != 0;
    }
  }
  if (folder_went) {  // another folder may have its name
    events_.reset();
    inotify_ = Fd();
  }
  look();
}

}  // namespace flannel
