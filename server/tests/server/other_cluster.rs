//! A server that is pointed at the controller of another cluster.
//!
//! Must not know: servers' insides. Invariant: nothing of the own cluster is deleted by what another one does not know.

use super::{Cluster, Outcome};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_stay_where_another_cluster_is_met() -> Outcome {
    let mut cluster = Cluster::start("elsewhere", 400).await?;
    cluster.produce(0..900);
    cluster.until_count(900).await?;
    cluster
        .until("2 sealed segments", async || {
            cluster.controller.sealed().len() == 2
        })
        .await?;
    let folder = cluster.folder.path().join("data/t_REALTIME");
    let sealed = cluster.controller.sealed();
    let there = || sealed.iter().all(|s| folder.join(&s.name).exists());
    cluster.until("2 files", async || there()).await?;
    cluster.server.take().ok_or("no server")?.abort().await;

    let own = cluster.controller.view();
    cluster.controller.become_cluster("another");
    cluster.controller.change(|view| {
        view.external.clear();
        view.ideal.clear();
        view.segments.clear();
    });
    cluster.start_server().await?;
    // Long enough for several tries.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert!(there());
    assert_eq!(
        cluster.server()?.complaints(),
        ["the cluster's state is not known yet"]
    );
    assert_eq!(cluster.controller.registered(), 1);

    cluster.controller.become_cluster("own");
    cluster.controller.change(|view| {
        *view = own;
        view.external.clear();
    });
    cluster.until_count(900).await?;
    // Also while it runs: a view of another cluster changes nothing.
    cluster.controller.become_cluster("another");
    cluster.controller.change(|view| view.segments.clear());
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert!(there());
    Ok(())
}
