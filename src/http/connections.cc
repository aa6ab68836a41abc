// SPDX-License-Identifier: Apache-2.0
#include "http/connections.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <optional>
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

std::optional<HttpPeer> peer_of(const Fd& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  // The kernel knows no process of a TCP connection, and gives the number -1 for its user.
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  if (peer.uid == static_cast<uid_t>(-1)) return std::nullopt;
  return HttpPeer{peer.pid, peer.uid};
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
  enum class Doing { receiving, waiting, sending, draining, streaming };

  Fd socket;
  TimePoint ends;
  Doing doing = Doing::receiving;
  bool at_end = false;        // the client has closed its side
  std::string received{};     // until the answer is there
  std::size_t head_size = 0;  // 0: the head is not whole yet
  HttpExchange::Head head{};  // if it is whole
  Number number = 0;          // of the request, while waiting or streaming
  std::string answer{};       // while sending or streaming
  std::size_t sent = 0;       // bytes of `answer`
  std::uint32_t events = 0;
  std::shared_ptr<const void> open{};  // of a stream
  SubscriptionPtr ready{};             // dropped before socket

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
    : loop_(loop), listener_(std::move(listener)), handler_(std::move(handler)), limits_(limits) {}

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
      stays = receive(*at) && take_request(at, before);
      break;
    }
    case Connection::Doing::waiting:  // only errors and the end of the connection are watched
      break;
    case Connection::Doing::sending:
      stays = send(at);
      break;
    case Connection::Doing::draining:
      stays = drain(*at);
      break;
    case Connection::Doing::streaming:
      stays = drain(*at) && send(at);
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

// Asks the handler once the request is whole. The first `searched` bytes have no end of the head.
bool HttpConnections::take_request(Place at, std::size_t searched) {
  if (at->head_size == 0 && !take_head(at, searched)) return false;
  if (at->doing != Connection::Doing::receiving || at->head_size == 0) return true;
  const std::size_t whole = at->head_size + (limits_.body == 0 ? 0 : *at->head.body);
  if (at->received.size() >= whole) return ask(at);
  return !at->at_end;
}

bool HttpConnections::take_head(Place at, std::size_t searched) {
  const auto end = HttpExchange::end_of_head(at->received, searched);
  const bool is_cut = at->received.size() >= limits_.head || at->at_end;
  if (!end && !is_cut) return true;
  const std::size_t size = std::min(end.value_or(at->received.size()), limits_.head);
  auto parsed = exchange_.parse(std::string_view(at->received).substr(0, size));
  if (auto* refusal = std::get_if<HttpExchange::Refusal>(&parsed)) {
    return begin_to_send(at, std::move(*refusal));
  }
  at->head_size = size;
  at->head = std::get<HttpExchange::Head>(std::move(parsed));
  if (limits_.body == 0) return true;
  const std::string_view head = std::string_view(at->received).substr(0, size);
  if (!at->head.body) {
    return begin_to_send(at, exchange_.render(head, {411, "a body needs one Content-Length\n"}));
  }
  if (*at->head.body > limits_.body) {
    const std::string most = std::to_string(limits_.body);
    return begin_to_send(
        at, exchange_.render(head, {413, "a body may have " + most + " bytes at most\n"}));
  }
  return true;
}

bool HttpConnections::ask(Place at) {
  HttpRequest request = std::move(at->head.request);
  if (limits_.body > 0) request.body = at->received.substr(at->head_size, *at->head.body);
  request.peer = peer_of(at->socket);
  at->received.resize(at->head_size);
  at->doing = Connection::Doing::waiting;
  at->number = ++last_number_;
  asked_.emplace(at->number, at);
  if (!watch(at, 0)) return false;
  handler_(request,
           HttpReply([this, sender = gate_.sender(), number = at->number](HttpReply::Make make) {
             sender.post([this, number, make = std::move(make)] { answer(number, make); });
           }));
  return true;
}

void HttpConnections::answer(Number number, const HttpReply::Make& make) {
  const auto asked = asked_.find(number);
  if (asked == asked_.end()) return;
  const Place at = asked->second;
  if (at->doing != Connection::Doing::waiting) return;
  asked_.erase(asked);
  HttpResponse response = make();
  if (response.goes_on && streams_.size() >= limits_.streams) {
    response = {503, "too many streams are open\n"};
  }
  const bool stays = response.goes_on ? begin_stream(at, response)
                                      : begin_to_send(at, exchange_.render(at->received, response));
  if (!stays) return remove(at);
  keep_unsent_small();
}

bool HttpConnections::begin_stream(Place at, const HttpResponse& response) {
  streams_.splice(streams_.end(), connections_, at);
  at->doing = Connection::Doing::streaming;
  at->answer = HttpExchange::head_of_stream(response) + response.body;
  at->received = {};
  at->open = std::make_shared<int>();
  asked_.emplace(at->number, at);
  const auto silence = static_cast<unsigned>(limits_.silence.count());
  ::setsockopt(at->socket.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &silence, sizeof silence);
  if (!send(at)) return false;
  response.goes_on(HttpSink(
      [this, sender = gate_.sender(), number = at->number](HttpSink::Make make) {
        sender.post([this, number, make = std::move(make)] { go_on(number, make); });
      },
      at->open));
  return true;
}

void HttpConnections::go_on(Number number, const HttpSink::Make& make) {
  const auto asked = asked_.find(number);
  if (asked == asked_.end()) return;
  const Place at = asked->second;
  at->answer.erase(0, std::exchange(at->sent, 0));
  // One piece may be longer than the limit.
  if (at->unsent() > limits_.unsent_stream) return remove(at);
  at->answer += make();
  if (!send(at)) remove(at);
}

bool HttpConnections::begin_to_send(Place at, std::string answer) {
  at->answer = std::move(answer);
  at->received = {};
  at->doing = Connection::Doing::sending;
  unsent_ += at->unsent();
  return send(at);
}

bool HttpConnections::send(Place at) {
  const bool goes_on = at->doing == Connection::Doing::streaming;
  while (at->unsent() > 0) {
    const ssize_t done =
        ::send(at->socket.get(), at->answer.data() + at->sent, at->unsent(), MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) {
      const std::uint32_t events = goes_on ? EPOLLIN | EPOLLOUT : EPOLLOUT;
      return would_block() && watch(at, events).has_value();
    }
    at->sent += static_cast<std::size_t>(done);
    if (!goes_on) unsent_ -= static_cast<std::size_t>(done);
  }
  at->answer = {};
  at->sent = 0;
  if (goes_on) return watch(at, EPOLLIN).has_value();
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
  if (at->number != 0) asked_.erase(at->number);
  if (at->doing == Connection::Doing::streaming) {
    streams_.erase(at);
    return;
  }
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
    give_up(connections_.begin());
  if (!connections_.empty()) deadline_.arm(connections_.front().ends);
}

void HttpConnections::give_up(Place at) {
  if (at->doing != Connection::Doing::waiting) return remove(at);
  at->ends = loop_.now() + limits_.lifetime;
  connections_.splice(connections_.end(), connections_, at);
  answer(at->number, [] {
    return HttpResponse{503, "no answer in time: the program is busy or hangs\n"};
  });
}

}  // namespace flannel
