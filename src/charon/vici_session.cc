// SPDX-License-Identifier: Apache-2.0
#include "charon/vici_session.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace flannel {
namespace {

using Type = ViciPacket::Type;

std::string why(std::string_view what) {
  return os_error(what).value().text;
}

}  // namespace

Result<Fd> connect_to_charon(const std::string& path) {
  sockaddr_un to{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof to.sun_path) {
    return fail(ErrorKind::invalid, path + ": the path is too long for a socket");
  }
  std::ranges::copy(path, to.sun_path);
  Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd) return os_error("open a socket for charon");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    return os_error("connect to charon at " + path);
  }
  return fd;
}

Result<std::unique_ptr<ViciSession>> ViciSession::open(
    Loop& loop, const std::string& path, std::function<void(std::string why)> on_end) {
  Fd fd = TRY(connect_to_charon(path));
  std::unique_ptr<ViciSession> session(new ViciSession(loop, std::move(fd), std::move(on_end)));
  TRY(session->watch(EPOLLIN));
  return session;
}

Result<void> ViciSession::watch(std::uint32_t events) {
  if (events == events_) return {};
  ready_.reset();
  ready_ = TRY(loop_.watch_fd(fd_.get(), events, [this](std::uint32_t) { on_ready(); }));
  events_ = events;
  return {};
}

void ViciSession::call(std::string_view command, const ViciSection& arguments, Answered done,
                       std::string_view rows, Answered on_row) {
  done_ = std::move(done);
  on_row_ = std::move(on_row);
  late_.arm_after(kDeadline);
  next_ = {.type = Type::request, .name = std::string(command), .content = arguments};
  if (rows.empty() || rows == registered_) return send(std::exchange(next_, {}));
  registered_ = rows;
  send({.type = Type::register_event, .name = registered_});
}

// What fails is reported in a turn of its own: the caller may not expect to be destroyed.
void ViciSession::send(const ViciPacket& packet) {
  unsent_ += encode_vici(packet);
  if (!write().empty()) ends_.arm(loop_.now());
}

void ViciSession::on_ready() {
  std::string failure = write();
  if (failure.empty()) failure = read();
  // What came before the end may be the answer; it is of no use to a session that ends.
  if (!failure.empty()) return end(std::move(failure));
  failure = take_packets();
  if (!failure.empty()) end(std::move(failure));
}

std::string ViciSession::write() {
  while (!unsent_.empty()) {
    const ssize_t sent = ::send(fd_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) return why("write to charon");
    unsent_.erase(0, static_cast<std::size_t>(sent));
  }
  const auto watched = watch(unsent_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
  return watched ? std::string() : watched.error().text;
}

std::string ViciSession::read() {
  std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return {};
    if (size < 0) return why("read from charon");
    if (size == 0) return "charon has ended";
    received_.append(buffer.data(), static_cast<std::size_t>(size));
    if (received_.size() > kLongestViciPacket) return {};  // what is complete is taken first
  }
}

// The receiver of the last one may call again.
std::string ViciSession::take_packets() {
  for (;;) {
    auto bytes = take_vici(received_);
    if (!bytes) return bytes.error().text;
    if (!*bytes) return {};
    const auto packet = decode_vici(**bytes);
    if (!packet) return packet.error().text;
    if (std::string failure = take(*packet); !failure.empty()) return failure;
  }
}

std::string ViciSession::take(const ViciPacket& packet) {
  switch (packet.type) {
    case Type::event:
      if (on_row_) on_row_(packet.content);
      return {};
    case Type::confirmed_event:
      send(std::exchange(next_, {}));
      return {};
    case Type::response: {
      late_.cancel();
      on_row_ = nullptr;
      if (const auto done = std::exchange(done_, nullptr)) done(packet.content);
      return {};
    }
    case Type::unknown_request:
    case Type::unknown_event:
      return "charon lacks a command: it must be of strongSwan 5.5 or later";
    default:
      return "charon has sent a packet of a wrong type";
  }
}

// This must be the last statement of what calls it.
void ViciSession::end(std::string why) {
  ready_.reset();
  late_.cancel();
  ends_.cancel();
  done_ = on_row_ = nullptr;
  if (const auto on_end = std::exchange(on_end_, nullptr)) on_end(std::move(why));
}

}  // namespace flannel
