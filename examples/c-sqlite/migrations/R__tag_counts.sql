DROP VIEW IF EXISTS tag_counts;
CREATE VIEW tag_counts AS
    SELECT tag, count(*) AS notes FROM tags GROUP BY tag;
