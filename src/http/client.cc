// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <fcntl.h>
#include <httplib.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "base/fd.h"
#include "base/parse.h"

namespace flannel {
namespace {

// Bounds for a caller that forgets its own deadline, and for a thread left behind by the resolver.
constexpr std::chrono::seconds kLongestConnect{10};
constexpr std::chrono::seconds kLongestSilence{600};
constexpr std::chrono::seconds kPatienceAtTheEnd{1};

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

// A server whose machine vanished sends nothing; these notice within half a minute.
void notice_dead_peers(int fd) {
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 30000);
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

// The thread takes no signal of the program's, and no SIGPIPE from SSL_write.
std::thread start_without_signals(std::function<void()> run) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(run));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

bool never_left(httplib::Error error) {
  return error == httplib::Error::Connection || error == httplib::Error::ConnectionTimeout ||
         error == httplib::Error::SSLConnection || error == httplib::Error::SSLLoadingCerts ||
         error == httplib::Error::SSLServerVerification;
}

HttpHead head_of(const httplib::Response& response) {
  HttpHead head{.status = std::max(response.status, 0), .headers = {}};  // -1: nothing came
  for (const auto& [name, value] : response.headers)
    head.headers[to_lower(name)] = value;
  return head;
}

}  // namespace

// What the thread and the connection share; outlives both. Names the socket in use by a descriptor
// of its own, so that a cut never hits a number that is used again by then.
class HttpConnection::Worker {
 public:
  Worker(HttpAccess access, bool keep_open) : access_(std::move(access)), keep_open_(keep_open) {}

  void start(HttpCall call, std::function<void(HttpHead)> on_head,
             std::function<void(HttpEnd)> on_end) {
    const std::lock_guard lock(mutex_);
    cut_.reset();
    job_ = Job{std::move(call), std::move(on_head), std::move(on_end)};
    changed_.notify_all();
  }

  void cut(Error why) {
    const std::lock_guard lock(mutex_);
    cut_ = std::move(why);
    if (socket_) ::shutdown(socket_.get(), SHUT_RDWR);
  }

  // True: the thread has ended.
  bool end() {
    cut(Error{ErrorKind::unavailable, "the connection is being closed"});
    std::unique_lock lock(mutex_);
    ending_ = true;
    changed_.notify_all();
    return changed_.wait_for(lock, kPatienceAtTheEnd, [this] { return ended_; });
  }

  void run() {
    while (auto job = next()) {
      HttpEnd end = perform(*job);
      job->on_end(std::move(end));
    }
    client_.reset();
    const std::lock_guard lock(mutex_);
    socket_.reset();
    ended_ = true;
    changed_.notify_all();
  }

 private:
  struct Job {
    HttpCall call;
    std::function<void(HttpHead)> on_head;
    std::function<void(HttpEnd)> on_end;
  };

  std::optional<Job> next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ending_ || job_.has_value(); });
    if (ending_) return std::nullopt;
    return std::exchange(job_, std::nullopt);
  }

  HttpEnd perform(const Job& job) {
    if (!client_) {
      if (auto opened = open(); !opened) return {{}, Failure(opened.error()), false};
    }
    httplib::Request request;
    request.method = job.call.method;
    request.path = job.call.path;
    request.body = job.call.body;
    if (!job.call.content_type.empty()) request.set_header("Content-Type", job.call.content_type);
    std::string body;
    request.response_handler = [&job](const httplib::Response& response) {
      if (job.on_head) job.on_head(head_of(response));
      return true;
    };
    bool too_long = false;
    request.content_receiver = [&](const char* bytes, std::size_t size, std::uint64_t,
                                   std::uint64_t) {
      too_long = body.size() + size > job.call.longest_answer;
      if (!too_long) body.append(bytes, size);
      return !too_long;
    };
    httplib::Response response;
    httplib::Error error = httplib::Error::Success;
    if (client_->send(request, response, error)) {
      return {head_of(response), std::move(body), true};
    }
    Error why = explain(error, too_long);
    client_.reset();  // the next call starts afresh, and reads the TLS files again
    return {head_of(response), Failure(std::move(why)), !never_left(error)};
  }

  Result<void> open() {
    const HttpTarget& target = access_.target;
    if (target.tls) {
      auto client = std::make_unique<httplib::SSLClient>(target.host, target.port,
                                                         access_.cert_file, access_.key_file);
      if (!client->is_valid()) {
        return fail(ErrorKind::invalid, target.url + ": cannot use the client certificate " +
                                            access_.cert_file + " and its key");
      }
      SSL_CTX_set_min_proto_version(client->ssl_context(), TLS1_2_VERSION);
      if (!access_.ca_file.empty()) client->set_ca_cert_path(access_.ca_file);
      client->enable_server_certificate_verification(true);
      client_ = std::move(client);
    } else {
      client_ = std::make_unique<httplib::ClientImpl>(target.host, target.port);
    }
    client_->set_connection_timeout(kLongestConnect);
    client_->set_read_timeout(kLongestSilence);
    client_->set_write_timeout(kLongestSilence);
    client_->set_keep_alive(keep_open_);
    client_->set_decompress(false);
    client_->set_url_encode(false);
    if (!access_.username.empty()) client_->set_basic_auth(access_.username, access_.password);
    client_->set_socket_options([this](int fd) { on_socket(fd); });
    return {};
  }

  void on_socket(int fd) {
    notice_dead_peers(fd);
    const std::lock_guard lock(mutex_);
    socket_ = Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!cut_) return;
    // Cut while the name was being resolved. What is no socket any more connects to nothing.
    const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    ::dup2(nothing.get(), fd);
  }

  Error explain(httplib::Error error, bool too_long) {
    const std::lock_guard lock(mutex_);
    if (cut_) return *cut_;
    const std::string at = access_.target.url + ": ";
    if (too_long) return {ErrorKind::invalid, at + "the answer is too long"};
    switch (error) {
      case httplib::Error::Connection:
      case httplib::Error::ConnectionTimeout:
        return {ErrorKind::unavailable, at + "cannot connect"};
      case httplib::Error::SSLServerVerification:
        return {ErrorKind::unavailable, at + "certificate verify failed: " + distrust()};
      case httplib::Error::SSLLoadingCerts:
        return {ErrorKind::unavailable, at + "cannot read the CA file " + access_.ca_file};
      case httplib::Error::SSLConnection:
        return {ErrorKind::unavailable, at + "the TLS handshake failed"};
      default:
        return {ErrorKind::unavailable, at + "the connection broke"};
    }
  }

  std::string distrust() const {
    const auto* client = dynamic_cast<const httplib::SSLClient*>(client_.get());
    const long verdict = client ? client->get_openssl_verify_result() : X509_V_OK;
    return verdict == X509_V_OK ? "it is not for this host"
                                : X509_verify_cert_error_string(verdict);
  }

  const HttpAccess access_;
  const bool keep_open_;
  std::unique_ptr<httplib::ClientImpl> client_;  // the thread's alone

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Job> job_;
  std::optional<Error> cut_;  // of the call under way
  Fd socket_;
  bool ending_ = false;
  bool ended_ = false;
};

HttpConnection::HttpConnection(HttpAccess access, bool keep_open, Loop& loop)
    : worker_(std::make_shared<Worker>(std::move(access), keep_open)), gate_(loop) {
  thread_ = start_without_signals([worker = worker_] { worker->run(); });
}

HttpConnection::~HttpConnection() {
  // A resolver can be waited for but not interrupted: that thread ends by itself later.
  if (worker_->end()) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void HttpConnection::send(HttpCall call, Listener listener) {
  assert(!busy_);
  busy_ = true;
  listener_ = std::move(listener);
  const auto sender = gate_.sender();
  std::function<void(HttpHead)> head;
  if (listener_.on_head) {
    head = [this, sender](HttpHead got) {
      sender.post([this, got = std::move(got)] { on_head(got); });
    };
  }
  worker_->start(std::move(call), std::move(head), [this, sender](HttpEnd end) {
    sender.post([this, end = std::move(end)]() mutable { on_end(std::move(end)); });
  });
}

void HttpConnection::cut(Error why) {
  if (busy_) worker_->cut(std::move(why));
}

void HttpConnection::on_head(const HttpHead& head) {
  const auto call = listener_.on_head;  // it may destroy this
  call(head);
}

void HttpConnection::on_end(HttpEnd end) {
  busy_ = false;
  const auto call = std::exchange(listener_, {}).on_end;
  call(std::move(end));
}

}  // namespace flannel
