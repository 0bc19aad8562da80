//! Names: tables, columns, and what happens when they clash.

use crate::world::World;

#[tokio::test]
async fn a_measurement_called_samples_is_in_schema_m() {
    let world = World::of("samples:a 10 1\nseries:a 10 2\nother:a 10 3").await;
    world.check("SELECT a FROM m.samples", "a\n1.0").await;
    world.check("SELECT a FROM m.series", "a\n2.0").await;
    world.check("SELECT a FROM m.other", "a\n3.0").await;
    world.check("SELECT a FROM tidemill.public.other", "a\n3.0").await;
    world.check("SELECT count(*) AS n FROM samples", "n\n3").await;
    world
        .check(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema <> 'information_schema' ORDER BY 1, 2",
            "
            table_schema,table_name
            m,samples
            m,series
            public,other
            public,samples
            public,series
            ",
        )
        .await;
}

#[tokio::test]
async fn clashing_columns_get_a_suffix() {
    let world = World::of("m:unit{time=x,unit=T1} 10 1\nm:quality{time=x,unit=T1} 10 2").await;
    world
        .check(
            "SELECT time_label, unit, quality_field, unit_field, quality FROM m",
            "time_label,unit,quality_field,unit_field,quality\nx,T1,2.0,1.0,0",
        )
        .await;
}

#[tokio::test]
async fn names_with_capitals_and_signs_are_quoted() {
    let world = World::of("Wind\\:Park:Power{Unit=T1} 10 1").await;
    world.check("SELECT \"Unit\", \"Power\" FROM \"Wind:Park\"", "Unit,Power\nT1,1.0").await;
}

#[tokio::test]
async fn show_and_describe_tell_what_there_is() {
    let world = World::of("m:a{u=1} 10 1").await;
    let tables = world.answer("SHOW TABLES").await;
    assert!(tables.contains("tidemill,public,m,BASE TABLE"), "{tables}");
    let columns = world.answer("DESCRIBE m").await;
    assert!(columns.contains("a,Float64,YES"), "{columns}");
    let columns = world.answer("SHOW COLUMNS FROM m").await;
    assert!(columns.contains("a,Float64"), "{columns}");
}
