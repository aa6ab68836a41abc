// SPDX-License-Identifier: Apache-2.0
#include "http/connections.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <string>
#include <utility>

namespace flannel {
namespace {

// Descriptors below this number are left to libraries that use select().
constexpr int kFirstDescriptor = 1024;
// A limit, so that many new connections do not delay existing ones.
constexpr int kAcceptsATurn = 64;
constexpr auto kRest = std::chrono::milliseconds(50);

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

Fd with_high_number(Fd fd) {
  Fd high{::fcntl(fd.get(), F_DUPFD_CLOEXEC, kFirstDescriptor)};
  return high ? std::move(high) : std::move(fd);
}

}  // namespace

HttpLimits HttpLimits::for_this_process() {
  HttpLimits limits;
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) != 0) return limits;
  if (descriptors.rlim_cur >= kFirstDescriptor + limits.connections) return limits;
  limits.connections = std::clamp<std::size_t>(descriptors.rlim_cur / 4, 1, limits.connections);
  return limits;
}

struct HttpConnections::Connection {
  enum class Doing { receiving, sending, draining };

  Fd socket;
  TimePoint ends;
  Doing doing = Doing::receiving;
  bool at_end = false;     // the client has closed its side
  std::string received{};  // while receiving
  std::string answer{};    // while sending
  std::size_t sent = 0;    // bytes of `answer`
  std::uint32_t events = 0;
  SubscriptionPtr ready{};  // dropped before socket

  std::size_t unsent() const { return answer.size() - sent; }
};

Result<std::unique_ptr<HttpConnections>> HttpConnections::open(Loop& loop, Fd listener,
                                                               HttpHandler handler,
                                                               const HttpLimits& limits) {
  std::unique_ptr<HttpConnections> opened(
      new HttpConnections(loop, std::move(listener), std::move(handler), limits));
  TRY(opened->watch_listener());
  return opened;
}

HttpConnections::HttpConnections(Loop& loop, Fd listener, HttpHandler handler,
                                 const HttpLimits& limits)
    : loop_(loop), listener_(std::move(listener)), exchange_(std::move(handler)), limits_(limits) {}

HttpConnections::~HttpConnections() = default;

Result<void> HttpConnections::watch_listener() {
  acceptable_ =
      TRY(loop_.watch_fd(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_some(); }));
  return {};
}

void HttpConnections::accept_some() {
  for (int i = 0; i < kAcceptsATurn; ++i) {
    Fd socket{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (socket) {
      add(with_high_number(std::move(socket)));
    } else if (!is_shortage(errno)) {
      return;
    } else if (connections_.empty()) {
      return rest_from_accepting();
    } else {
      remove(connections_.begin());
    }
  }
}

// Stops accepting for a moment, because there are no descriptors and closing a connection of ours
// would not free one. The new connection stays in the backlog and keeps the socket readable, so
// trying at once would only use CPU time.
void HttpConnections::rest_from_accepting() {
  acceptable_.reset();
  rest_.arm_after(kRest);
}

void HttpConnections::accept_again() {
  if (!watch_listener()) rest_from_accepting();
}

void HttpConnections::add(Fd socket) {
  if (connections_.size() >= limits_.connections) remove(connections_.begin());
  connections_.push_back({.socket = std::move(socket), .ends = loop_.now() + limits_.lifetime});
  const Place at = std::prev(connections_.end());
  if (!watch(at, EPOLLIN)) return remove(at);
  if (!deadline_.armed()) deadline_.arm(at->ends);
}

Result<void> HttpConnections::watch(Place at, std::uint32_t events) {
  if (at->events == events) return {};
  at->ready.reset();
  at->ready =
      TRY(loop_.watch_fd(at->socket.get(), events, [this, at](std::uint32_t) { on_ready(at); }));
  at->events = events;
  return {};
}

void HttpConnections::on_ready(Place at) {
  bool stays = false;
  switch (at->doing) {
    case Connection::Doing::receiving: {
      const std::size_t before = at->received.size();
      stays = receive(*at);
      if (!stays) break;
      const bool whole = at->received.size() >= limits_.head || at->at_end;
      const auto end = HttpExchange::end_of_head(at->received, before);
      if (end || whole) stays = answer(at, std::string_view(at->received).substr(0, limits_.head));
      break;
    }
    case Connection::Doing::sending:
      stays = send(at);
      break;
    case Connection::Doing::draining:
      stays = drain(*at);
      break;
  }
  if (!stays) return remove(at);
  keep_unsent_small();
}

// False: the connection failed, or there were no bytes.
bool HttpConnections::receive(Connection& connection) {
  std::array<char, 4096> bytes;
  const ssize_t got = ::recv(connection.socket.get(), bytes.data(), bytes.size(), 0);
  if (got < 0) return would_block();
  connection.received.append(bytes.data(), static_cast<std::size_t>(got));
  connection.at_end = got == 0;
  return !connection.received.empty();
}

bool HttpConnections::answer(Place at, std::string_view request) {
  at->answer = exchange_.answer(request);
  at->received = {};
  at->doing = Connection::Doing::sending;
  unsent_ += at->unsent();
  return send(at);
}

bool HttpConnections::send(Place at) {
  while (at->unsent() > 0) {
    const ssize_t done =
        ::send(at->socket.get(), at->answer.data() + at->sent, at->unsent(), MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return would_block() && watch(at, EPOLLOUT).has_value();
    at->sent += static_cast<std::size_t>(done);
    unsent_ -= static_cast<std::size_t>(done);
  }
  at->answer = {};
  at->sent = 0;
  // If a socket is closed with unread bytes, such as the body of a request, the connection is reset
  // and the client may lose the answer. So those bytes are read first.
  at->doing = Connection::Doing::draining;
  return ::shutdown(at->socket.get(), SHUT_WR) == 0 && !at->at_end &&
         watch(at, EPOLLIN).has_value();
}

bool HttpConnections::drain(const Connection& connection) {
  std::array<char, 4096> bytes;
  const ssize_t got = ::recv(connection.socket.get(), bytes.data(), bytes.size(), 0);
  return got > 0 || (got < 0 && would_block());
}

void HttpConnections::remove(Place at) {
  unsent_ -= at->unsent();
  connections_.erase(at);
}

void HttpConnections::keep_unsent_small() {
  while (unsent_ > limits_.unsent) {
    const Place oldest = std::ranges::find_if(
        connections_, [](const Connection& connection) { return connection.unsent() > 0; });
    // A single answer may have any size.
    if (oldest->unsent() == unsent_) return;
    remove(oldest);
  }
}

// All connections have the same lifetime, so the first one is the next to end.
void HttpConnections::on_deadline() {
  while (!connections_.empty() && connections_.front().ends <= loop_.now())
    remove(connections_.begin());
  if (!connections_.empty()) deadline_.arm(connections_.front().ends);
}

}  // namespace flannel
