//! The HTTP surface: routes, and the handlers that belong to no other part.

mod admin;
mod operators;
mod page;
mod sql;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderName;
use axum::routing::{delete, get, post};
use tidemill_journal_remote::service::{self, Access, JournalService};

use crate::app::App;
use crate::config::JournalAccess;
use crate::ingest::http as ingest;
use crate::live::live;
use crate::{ApiError, VERSION};

/// The position that an answer or a receipt stands for.
pub(crate) const POSITION: HeaderName = HeaderName::from_static("tidemill-position");
/// The replica that answered.
pub(crate) const REPLICA: HeaderName = HeaderName::from_static("tidemill-replica");
/// Whether a write had been written before.
pub(crate) const DUPLICATE: HeaderName = HeaderName::from_static("tidemill-duplicate");

/// All routes of a node.
pub(crate) fn router(app: Arc<App>) -> Router {
    let pages = Router::new()
        .route("/livez", get(status::livez))
        .route("/readyz", get(status::readyz))
        .route("/metrics", get(status::metrics))
        .route("/ping", get(ingest::ping))
        .route("/health", get(ingest::health));
    let influx = Router::new()
        .route("/api/v2/write", post(ingest::write_v2))
        .route("/write", post(ingest::write_v1))
        .route("/query", get(ingest::query_v1).post(ingest::query_v1));
    let api = Router::new()
        .route("/api/v1/sql", get(sql::get_sql).post(sql::post_sql))
        .route("/api/v1/live", get(live))
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/series", get(admin::series))
        .route("/api/v1/delete", post(admin::delete_range))
        .route("/api/v1/plugins", get(admin::plugins).post(admin::install))
        .route("/api/v1/plugins/{name}", delete(admin::uninstall))
        .route("/api/v1/operators", get(admin::operators).post(admin::deploy))
        .route("/api/v1/operators/{name}", delete(admin::remove))
        .route("/api/v1/operators/{name}/pause", post(admin::pause))
        .route("/api/v1/operators/{name}/resume", post(admin::resume))
        .route("/api/v1/operators/{name}/logs", get(admin::logs))
        .route("/api/v1/operators/{name}/shadow", post(operators::shadow).delete(operators::discard))
        .route("/api/v1/operators/{name}/diff", get(operators::diff))
        .route("/api/v1/operators/{name}/promote", post(operators::promote))
        .route("/api/v1/operators/{name}/rollback", post(operators::roll_back))
        .route("/api/v1/operators/{name}/rewind", post(operators::rewind))
        .route("/api/v1/operators/{name}/recalc", post(operators::recalc))
        .route("/api/v1/operators/{name}/verify", post(operators::verify))
        .route("/api/v1/lineage", get(operators::lineage))
        .route("/api/v1/replicas/{name}/rebuild", post(admin::rebuild));
    let router = page::add(pages.merge(influx).merge(api));
    grpc(router, &app)
        .fallback(|| async {
            ApiError::not_found("there is nothing at this address; the API is described in docs/http.md")
        })
        // Every handler that takes a body bounds it by itself.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

/// The journal, for other nodes, on the same port.
fn grpc(router: Router<Arc<App>>, app: &Arc<App>) -> Router<Arc<App>> {
    let access = match app.config.grpc {
        JournalAccess::Off => return router,
        JournalAccess::Read => Access::Read,
        JournalAccess::Append => Access::Append,
    };
    router.route_service(service::PATH, JournalService::mount(app.journal.clone(), access, VERSION, app.stop.clone()))
}
